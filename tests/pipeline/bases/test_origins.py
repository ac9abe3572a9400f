import torch

from pipeline.bases.origins import Origin, TensorForm, file_shape, get, put


def test_a_module_reads_its_piece_of_a_joined_tensor_and_writes_it_back() -> None:
    stored = torch.arange(12.0).reshape(6, 2)
    origins = {name: Origin("in_proj_weight", piece, 3) for piece, name in enumerate("qkv")}
    parts = {name: get(origin, stored, (2, 2)) for name, origin in origins.items()}
    assert parts["k"].tolist() == [[4, 5], [6, 7]]
    assert torch.equal(put(origins, parts)["in_proj_weight"], stored)
    assert file_shape(origins["q"], (2, 2)) == (6, 2)


def test_a_projection_is_turned() -> None:
    stored = torch.tensor([[1.0, 2], [3, 4]])
    origin = Origin("text_projection", form=TensorForm.TRANSPOSED)
    own = get(origin, stored, (2, 2))
    assert own.tolist() == [[1, 3], [2, 4]]
    assert torch.equal(put({"w": origin}, {"w": own})["text_projection"], stored)


def test_halves_are_swapped() -> None:
    stored = torch.arange(4.0)
    origin = Origin("final", form=TensorForm.SWAPPED)
    assert get(origin, stored, (4,)).tolist() == [2, 3, 0, 1]
    assert torch.equal(put({"w": origin}, {"w": get(origin, stored, (4,))})["final"], stored)


def test_attention_of_a_vae_is_a_convolution_in_the_file() -> None:
    stored = torch.arange(4.0).reshape(2, 2, 1, 1)
    origin = Origin("q", form=TensorForm.CONVOLUTION)
    assert get(origin, stored, (2, 2)).shape == (2, 2)
    assert torch.equal(put({"w": origin}, {"w": stored[:, :, 0, 0]})["q"], stored)
    assert file_shape(origin, (2, 2)) == (2, 2, 1, 1)
