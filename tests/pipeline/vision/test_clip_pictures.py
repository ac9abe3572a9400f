from pathlib import Path

import pytest
import torch
from PIL import Image
from skimage import data as photographs
from transformers import CLIPImageProcessorPil, CLIPModel

from pipeline.errors import UserError
from pipeline.files.aesthetic_file import read_aesthetic
from pipeline.networks.__main__ import main
from pipeline.vision.clip_pictures import mean_embedding
from tests.pipeline.vision.tiny_clip import write_clip

PICTURES = [Image.fromarray(each) for each in (photographs.astronaut(), photographs.chelsea())]


def test_the_mean_of_transformers_own_embeddings(tmp_path: Path) -> None:
    folder = write_clip(tmp_path / "clip")
    model, processor = CLIPModel.from_pretrained(folder).eval(), CLIPImageProcessorPil.from_pretrained(folder)
    with torch.no_grad():
        each = [
            model.get_image_features(**processor(picture, return_tensors="pt")).pooler_output
            for picture in PICTURES
        ]
    expected = torch.cat([*each, *each, *each, *each, each[0]]).mean(dim=0, keepdim=True)
    found = mean_embedding(folder, [*PICTURES * 4, PICTURES[0]])
    assert found.shape == (1, 8)
    assert torch.allclose(found, expected, atol=1e-6)


def test_what_is_no_clip_folder_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a CLIP folder of transformers that loads"):
        mean_embedding(tmp_path, PICTURES)


def test_the_command_makes_the_file_of_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip, target = write_clip(tmp_path / "clip"), tmp_path / "style.pt"
    (tmp_path / "set" / "below").mkdir(parents=True)
    PICTURES[0].save(tmp_path / "set" / "a.png")
    PICTURES[1].save(tmp_path / "set" / "below" / "b.png")
    (tmp_path / "set" / "a.txt").write_text("no picture")
    call = ["aesthetic", str(tmp_path / "set"), "--clip", str(clip), "--target", str(target)]
    main(call)
    assert "the mean of 2 pictures" in capsys.readouterr().out
    assert torch.equal(read_aesthetic(target), mean_embedding(clip, PICTURES))
    target.unlink()
    for name in ("c.png", "d.jpg"):
        (tmp_path / "set" / name).write_bytes(b"cut short")
    with pytest.raises(UserError) as told:
        main(call)
    assert all(name in str(told.value) for name in ("c.png", "d.jpg"))
    assert not target.exists()
