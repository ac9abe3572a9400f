/** Sample pictures of a training, by epoch: the newest, or one that is held. */
import { $, make } from "./dom.js";

let all = [], epochs = [];

/** `said`: [prompt, epoch, version] of each picture. */
export function samplesNews(said) {
  all = said;
  epochs = [...new Set(said.map(([, epoch]) => epoch))].sort((one, other) => one - other);
  $("sample-box").hidden = !all.length;
  $("sample-epoch").max = Math.max(0, epochs.length - 1);
  if ($("follow").checked) $("sample-epoch").value = epochs.length - 1;
  draw();
}

export function sampleStep(by) {
  $("follow").checked = false;
  $("sample-epoch").value = Number($("sample-epoch").value) + by;
  draw();
}

function draw() {
  const epoch = epochs[Number($("sample-epoch").value)];
  $("sample-at").textContent = epoch ?? "";
  const pictures = all.filter(each => each[1] === epoch).map(([prompt, , version]) => [`/sample/${prompt}/${epoch}?v=${version}`, `Prompt ${prompt}, epoch ${epoch}`]);
  const box = $("samples");
  while (box.children.length > pictures.length) box.lastChild.remove();
  pictures.forEach(([source, alt], place) => {
    const image = box.children[place] ?? box.appendChild(make("img"));
    if (image.getAttribute("src") !== source) Object.assign(image, { src: source, alt, title: alt });
  });
}

$("sample-epoch").oninput = () => { $("follow").checked = false; draw(); };
$("follow").onchange = () => samplesNews(all);
