"""One resolver for every spelling of a network."""

from pathlib import Path

import pytest

from edge_sr.errors import UserError
from edge_sr.zoo import card, catalog
from edge_sr.zoo.catalog import Entry, Network

CARD = 'model = "tinypssr"\nparameters = 1356\ndata = "t91"\nremade_by = []\n'


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        ((), "tinypssr-anchor-x2"),
        (("tinypssr-x4",), "tinypssr-x4"),
        (("tinypssr",), "tinypssr-x2"),
        (("tinypssr", 4), "tinypssr-x4"),
        (("tinypssr-x4", 4), "tinypssr-x4"),
        (("tinypssr x2",), "tinypssr-x2"),
        (("wdsr-a",), "wdsr-a-x4"),
        (("tinycompress-64",), "tinycompress-64"),
        (("tinycompress",), "tinycompress-16"),
        (("tinycompress", None, 64), "tinycompress-64"),
        (("tinycompress-encoder",), "tinycompress-16/encoder"),
        (("tinycompress-decoder", None, 4), "tinycompress-4/decoder"),
        (("tinycompress-rd-encoder",), "tinycompress-rd/encoder"),
        (("tinycompress-rd/decoder",), "tinycompress-rd/decoder"),
        ((None, None, None, "codec"), "tinycompress-16"),
        ((None, None, 4, "codec"), "tinycompress-4"),
        (("rd", None, None, "codec"), "tinycompress-rd"),
    ],
)
def test_a_spelling_means_one_id(arguments, meant):
    network = catalog.resolve(*arguments)
    assert network.id == meant
    assert network.entry == catalog.find(meant.split("/")[0])
    assert network.path is None


@pytest.mark.parametrize("entry", catalog.entries(), ids=lambda entry: entry.id)
def test_every_id_names_its_entry(entry):
    assert catalog.identify(entry.id) == (entry.id, entry.kind)
    assert catalog.resolve(entry.id).entry == entry
    for part in entry.parts if entry.kind == "codec" else ():
        assert catalog.resolve(f"{entry.id}/{part}") == Network(f"{entry.id}/{part}", entry, part)


@pytest.mark.parametrize("name", ["a.tflite", "some/where/b.onnx", "c.SAFETENSORS"])
def test_a_file_is_meant_by_its_suffix(name):
    assert catalog.resolve(name) == Network(Path(name).name, path=Path(name))


def test_a_shipped_id_goes_before_a_folder_of_that_name(tmp_path, monkeypatch, stand_ins):
    monkeypatch.chdir(stand_ins)
    assert catalog.resolve("tinycompress-4").entry == Entry(stand_ins / "tinycompress-4")
    monkeypatch.setattr(catalog, "FOLDER", tmp_path)
    own = catalog.resolve("./tinycompress-4", kind="codec")
    assert own.entry == Entry(stand_ins.resolve() / "tinycompress-4")
    assert own.part is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("edsr9",), "unknown network 'edsr9'; `edge-sr models` lists the shipped ones, or name a"),
        (("tinyssr-x2",), "unknown network 'tinyssr-x2'; did you mean tinypssr-x2?"),
        (("tinypssr_x4",), "did you mean tinypssr-x4?"),
        (("FSRCNN-X4",), "did you mean fsrcnn-x4?"),
        (("tinypsr",), "did you mean tinypssr?"),
        (("tinycompress_16/encoder",), "did you mean tinycompress-16/encoder?"),
        (
            ("tinycompress-16/foo",),
            "did you mean tinycompress-16, tinycompress-16/encoder or tinycompress-16/decoder?",
        ),
        (("tinypssr-x2/encoder",), "did you mean tinypssr-x2?"),
        (("edsr9", None, None, "codec"), "available: tinycompress-4, .* a folder of that layout"),
        (("tinypssr", 3), "tinypssr has no scale 3; it has 2, 4"),
        (("srcnn",), "edge-sr has no weights of srcnn-x2; `edge-sr models` lists the shipped ones"),
        (("espcn", 2), "edge-sr has no weights of espcn-x2; available: espcn-x4"),
        (("tinypssr-x2", 4), "tinypssr-x2 upscales x2, not x4"),
        (("tinypssr", None, 16), "tinypssr-x2 is an upscaler, which has no rate"),
        (("tinycompress-16", 2), "tinycompress-16 is a codec, which has no scale"),
        (("tinycompress-16", None, 4), "tinycompress-16 has rate 16, not 4"),
        (("tinycompress", None, 5), "no rate 5; available: 4, 16, 64, 256"),
        (("tinypssr-x2", None, None, "codec"), "tinypssr-x2 is not a codec"),
        (
            ("tinycompress-16", None, None, "super-resolution"),
            "is not an upscaler; `edge-sr models` lists",
        ),
        (("some/model.h5",), "some/model.h5 is not a model; name a .tflite, .onnx or"),
        (("",), "unknown network ''"),
        (("..",), ".. is a folder without a network"),
        (
            ("..", None, None, "super-resolution"),
            ".. is a folder without an upscaler; name an id or a .tflite",
        ),
    ],
)
def test_what_is_not_a_network_is_refused(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message):
        catalog.resolve(*arguments)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("srcnn-x2", ("srcnn-x2", "super-resolution")),
        ("srcnn x2", ("srcnn-x2", "super-resolution")),
        ("tinycompress-256", ("tinycompress-256", "codec")),
    ],
)
def test_an_id_is_known_whether_or_not_its_weights_ship(name, meant):
    assert catalog.identify(name) == meant
    with pytest.raises(UserError, match="unknown network 'nothing-x2'; an id looks like"):
        catalog.identify("nothing-x2")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not toml", "the card is not TOML"),
        ("a = 1", "must have exactly model, parameters"),
        (CARD + 'scale = "2"', "the card.scale must be of type int"),
        (CARD + "[quality.int8.set5]\npsnr = nan", "must be a finite number"),
        (CARD + "x = 1", "'x'"),
        ("\xff", "not TOML"),
    ],
)
def test_a_damaged_card_is_refused(tmp_path, text, message):
    path = tmp_path / "card.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=message):
        card.read(path)
