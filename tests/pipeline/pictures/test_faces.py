from pathlib import Path

import numpy as np
import onnx
import pytest
from matplotlib import cbook
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from skimage.data import astronaut

from pipeline.config.compose import Params, compose
from pipeline.errors import UserError
from pipeline.pictures.boxes import focal_box
from pipeline.pictures.faces import Face, letterbox, make_detector, yolo_rows
from pipeline.pictures.focal import find_focus
from pipeline.schemas import CropConfig

ASTRONAUT = (175, 60, 100, 130)
"""Left, top, width, height of the face, ear to ear and hair line to chin, by eye."""
HOPPER = (170, 115, 205, 210)


def grace_hopper() -> NDArray[np.uint8]:
    with Image.open(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)) as picture:
        return np.asarray(picture.convert("RGB"))


PHOTOGRAPHS = {"astronaut": (astronaut(), ASTRONAUT), "hopper": (grace_hopper(), HOPPER)}


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("name", PHOTOGRAPHS)
@pytest.mark.parametrize("resolution", [512, 256])
@pytest.mark.parametrize("ratio", [(1, 1), (3, 4)])
@pytest.mark.parametrize(("left", "right"), [(0, 0), (700, 0), (0, 700), (350, 350)])
def test_faces_in_photographs_are_found_and_never_cut(
    name: str, resolution: int, ratio: tuple[int, int], left: int, right: int
) -> None:
    photograph, (x, y, width, height) = PHOTOGRAPHS[name]
    picture = np.pad(photograph, ((0, 0), (left, right), (0, 0)), constant_values=128)
    config = CropConfig.model_validate(compose(Params({}, {}))["crop"])
    focus = find_focus(picture, config)
    assert "face" in focus.detectors
    target = (resolution, round(resolution * ratio[1] / ratio[0]))
    box = focal_box(picture.shape[1], picture.shape[0], target, focus)
    assert box[0] <= left + x
    assert left + x + width <= box[0] + box[2]
    assert box[1] <= y
    assert y + height <= box[1] + box[3]


def test_no_face_is_seen_in_a_blank_picture() -> None:
    assert make_detector("lbp", 0.5)(np.zeros((200, 200, 3), np.uint8)) == []


def write_yolo(path: Path, output: NDArray[np.float32]) -> None:
    """A detector that always gives `output`."""
    value = helper.make_tensor("value", TensorProto.FLOAT, output.shape, output.flatten())
    graph = helper.make_graph(
        [helper.make_node("Constant", [], ["output0"], value=value)], "yolo",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 640, 640])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, output.shape)],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    onnx.save(model, path)


def test_a_yolo_detector_gives_boxes_in_the_pictures_pixels(tmp_path: Path) -> None:
    output = np.zeros((1, 5, 8400), np.float32)
    output[0, :, 3] = (320, 160, 64, 32, 0.9)  # centre, sides, score, on the 640 px field
    output[0, :, 4] = (322, 162, 64, 32, 0.8)  # the same face again
    output[0, :, 5] = (100, 100, 20, 20, 0.2)  # too unsure
    write_yolo(tmp_path / "face.onnx", output)
    faces = make_detector(str(tmp_path / "face.onnx"), 0.4)(np.zeros((640, 1280, 3), np.uint8))
    assert faces == [Face((576, 288, 128, 64), 0.9)]


def write_yunet(path: Path) -> None:
    """YuNet's inputs and outputs (2023): a face wherever a field of 32 px is red, told by the third channel,
    as its input is BGR.
    """
    nodes, outputs, weights = [], [], []
    for stride in (8, 16, 32):
        for name, channels in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
            kernel = np.zeros((channels, 3, stride, stride), np.float32)
            bias = np.zeros(channels, np.float32)
            if stride == 32 and name == "obj":
                kernel[0, 2] = 1 / (255 * stride * stride)
            if stride == 32 and name == "cls":
                bias[:] = 1
            key = f"{name}_{stride}"
            weights += [
                numpy_helper.from_array(kernel, f"{key}_w"),
                numpy_helper.from_array(bias, f"{key}_b"),
            ]
            sides = [stride, stride]
            nodes += [
                helper.make_node(
                    "Conv", ["input", f"{key}_w", f"{key}_b"], [f"{key}_c"], kernel_shape=sides, strides=sides
                ),
                helper.make_node("Transpose", [f"{key}_c"], [f"{key}_t"], perm=[0, 2, 3, 1]),
                helper.make_node("Reshape", [f"{key}_t", f"{key}_s"], [key]),
            ]  # fmt: skip
            weights.append(numpy_helper.from_array(np.array([1, -1, channels], np.int64), f"{key}_s"))
            outputs.append(helper.make_tensor_value_info(key, TensorProto.FLOAT, [1, None, channels]))
    taken = [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, 640, 640])]
    graph = helper.make_graph(nodes, "yunet", taken, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=8)
    onnx.save(model, path)


def test_yunet_sees_colours_in_its_own_order(tmp_path: Path) -> None:
    write_yunet(tmp_path / "yunet.onnx")
    detect = make_detector(str(tmp_path / "yunet.onnx"), 0.9)
    picture = np.zeros((320, 640, 3), np.uint8)
    picture[64:96, 128:160] = (255, 0, 0)
    assert detect(picture) == [Face((112, 48, 32, 32), 1.0)]
    assert detect(np.ascontiguousarray(picture[:, :, ::-1])) == []


def test_the_three_layouts_of_yolo_say_the_same() -> None:
    v8 = np.zeros((5, 8400), np.float32)
    v8[:, 0] = (50, 40, 20, 10, 0.9)
    v5 = np.zeros((25200, 6), np.float32)
    v5[0] = (50, 40, 20, 10, 1.0, 0.9)
    suppressed = np.array([[40, 35, 60, 45, 0.9, 0], [0, 0, 0, 0, 0, 0]], np.float32)
    for output in (v8, v5, suppressed):
        np.testing.assert_allclose(yolo_rows(output, 0.5), [[40, 35, 20, 10, 0.9]], rtol=1e-6)


def test_a_letterbox_keeps_the_shape() -> None:
    field, scale = letterbox(np.full((100, 200, 3), 255, np.uint8), (640, 640))
    assert (field.shape, scale) == ((1, 3, 640, 640), 3.2)
    assert field.dtype == np.float32
    assert field[0, :, 319, :].min() == 1
    assert field[0, :, 320, :].max() == pytest.approx(114 / 255)


def test_what_is_no_detector_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"no network")
    with pytest.raises(UserError, match="not a readable ONNX file"):
        make_detector(str(tmp_path / "a.onnx"), 0.5)
    (tmp_path / "a.xml").write_text("<opencv_storage></opencv_storage>")
    with pytest.raises(UserError, match="not a cascade"):
        make_detector(str(tmp_path / "a.xml"), 0.5)
