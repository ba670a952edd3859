"""Every bad input: exit code 2, exactly one line on stderr that says what was found, and nothing written."""

from __future__ import annotations

import gzip
import json
import os
import shutil
from pathlib import Path

import polars as pl
import pytest

from crossaisle.cli.main import run
from crossaisle.store import folder_lock, open_version
from small_shop import everything_in, shop_interactions, shop_items, write_shop

SMALL = ["--preset", "quick"] + [w for s in ("model.senses=id,words", "model.dim=16", "train.epochs=1") for w in ("--set", s)]
TABLES = ["--interactions", "interactions.csv", "--items", "items.csv"]
FIT = ["fit", *TABLES, *SMALL, "--out", "new.model"]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop with a model in it, made once."""
    folder = write_shop(tmp_path_factory.mktemp("shop"))
    before = Path.cwd()
    os.chdir(folder)
    assert run(["fit", *TABLES, *SMALL, "--out", "shop.model"]) == 0
    os.chdir(before)
    return folder


@pytest.fixture
def model(fitted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh copy of that shop, which is also the working folder."""
    copy = tmp_path / "copy"
    shutil.copytree(fitted, copy)
    monkeypatch.chdir(copy)
    return copy


def refused(argv: list[str], capfd: pytest.CaptureFixture[str], *parts: str) -> None:
    """Run, and look: exit code 2, one line on stderr with ``parts`` in it, nothing on stdout, nothing written."""
    before = everything_in(Path.cwd())
    capfd.readouterr()
    assert run(argv) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1, err
    assert err.endswith("\n")
    assert "Traceback" not in err
    assert "; expected " in err
    assert "; next: " in err
    for part in parts:
        assert part in err, err
    assert everything_in(Path.cwd()) == before


READERS = {
    "check": ["check", *TABLES],
    "fit": FIT,
    "evaluate": ["evaluate", *TABLES, "--protocol", "leave-one-out", "--models", "popularity", "--out", "report"],
}


@pytest.fixture(params=READERS, ids=str)
def reading(request: pytest.FixtureRequest) -> list[str]:
    """Each command that reads tables."""
    return READERS[request.param]


def test_missing_file(reading: list[str], shop: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (shop / "interactions.csv").unlink()
    refused(reading, capfd, "interactions.csv")


def test_missing_required_column(reading: list[str], shop: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shop_interactions().rename({"item_id": "sku"}).write_csv(shop / "interactions.csv")
    refused(reading, capfd, "item_id", "interactions.csv")


def test_column_that_the_mapping_names_is_missing(reading: list[str], shop: Path, capfd: pytest.CaptureFixture[str]) -> None:
    refused([*reading, "--columns", "item_id=sku"], capfd, "sku")


def test_empty_file(reading: list[str], shop: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (shop / "items.csv").write_bytes(b"")
    refused(reading, capfd, "items.csv", "empty")


def test_binary_file(reading: list[str], shop: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (shop / "interactions.csv").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8)
    refused(reading, capfd, "interactions.csv")


def test_wrong_encoding(reading: list[str], shop: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = shop_items().with_columns(title=pl.lit("crème brûlée à la carte")).write_csv()
    (shop / "items.csv").write_bytes(text.encode("latin-1"))
    refused([*reading, "--encoding", "utf-8"], capfd, "items.csv", "UTF-8")


def test_unknown_encoding(reading: list[str], shop: Path, capfd: pytest.CaptureFixture[str]) -> None:
    refused([*reading, "--encoding", "koi9"], capfd, "koi9")


def test_truncated_gzip(reading: list[str], shop: Path, capfd: pytest.CaptureFixture[str]) -> None:
    whole = gzip.compress(shop_interactions().write_csv().encode())
    (shop / "interactions.csv").write_bytes(whole[: len(whole) // 2])
    refused(reading, capfd, "interactions.csv", "gzip")


def test_truncated_parquet(reading: list[str], shop: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shop_interactions().write_parquet(shop / "whole.parquet")
    whole = (shop / "whole.parquet").read_bytes()
    (shop / "cut.parquet").write_bytes(whole[: len(whole) // 2])
    refused([w if w != "interactions.csv" else "cut.parquet" for w in reading], capfd, "cut.parquet", "Parquet")


def test_one_item_id_with_two_contents(reading: list[str], shop: Path, capfd: pytest.CaptureFixture[str]) -> None:
    items = shop_items()
    pl.concat([items, items.head(1).with_columns(title=pl.lit("something else"))]).write_csv(shop / "items.csv")
    refused(reading, capfd, "b1", "items.csv")


def test_no_user_with_two_interactions(reading: list[str], shop: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shop_interactions().unique("user_id").write_csv(shop / "interactions.csv")
    refused(reading, capfd, "no user has two interactions")


def test_more_rejected_rows_than_allowed(reading: list[str], shop: Path, capfd: pytest.CaptureFixture[str]) -> None:
    rows = shop_interactions().with_columns(pl.col("timestamp").cast(pl.String))
    rows.with_columns(timestamp=pl.when(pl.int_range(pl.len()) % 10 == 0).then(pl.lit("yesterday")).otherwise("timestamp")).write_csv(
        shop / "interactions.csv"
    )
    refused(reading, capfd, "interactions.csv", "24 of 240 rows", "unreadable timestamp")
    assert run([*reading, "--max-rejected", "0.5"]) == 0
    kept = {"check": Path("rejected.jsonl"), "fit": Path("new.model/rejected.jsonl"), "evaluate": Path("report/rejected.jsonl")}[reading[0]]
    assert len(kept.read_text().splitlines()) == 24
    assert "timestamp" in json.loads(kept.read_text().splitlines()[0])["reason"]


@pytest.mark.parametrize("share", ["1.5", "-0.1", "nan"])
def test_share_of_rejected_rows_out_of_range(share: str, reading: list[str], shop: Path, capfd: pytest.CaptureFixture[str]) -> None:
    refused([*reading, f"--max-rejected={share}"], capfd, "max_rejected")


def test_unknown_setting(reading: list[str], shop: Path, capfd: pytest.CaptureFixture[str]) -> None:
    refused([*reading, "--set", "train.epoch=3"], capfd, "unknown setting 'train.epoch'", "'train.epochs'")


@pytest.mark.parametrize("value", ["many", "0", "1.5"])
def test_setting_out_of_range(value: str, reading: list[str], shop: Path, capfd: pytest.CaptureFixture[str]) -> None:
    refused([*reading, "--set", f"train.epochs={value}"], capfd, "epochs", value)


def test_unknown_section_of_settings(shop: Path, capfd: pytest.CaptureFixture[str]) -> None:
    refused(["settings", "trian"], capfd, "unknown section 'trian'", "the nearest is train")


def test_unknown_protocol(shop: Path, capfd: pytest.CaptureFixture[str]) -> None:
    refused(["evaluate", *TABLES, "--protocol", "leave-two-out", "--out", "report"], capfd, "leave-two-out", "leave-one-out")


def test_unknown_model_to_evaluate(shop: Path, capfd: pytest.CaptureFixture[str]) -> None:
    argv = ["evaluate", *TABLES, "--protocol", "leave-one-out", "--models", "popularity,item-kn", "--out", "report"]
    refused(argv, capfd, "item-kn", "item-knn")


def test_no_seed_to_evaluate(shop: Path, capfd: pytest.CaptureFixture[str]) -> None:
    refused(["evaluate", *TABLES, "--protocol", "leave-one-out", "--seeds", "0", "--out", "report"], capfd, "--seeds is 0")


@pytest.mark.parametrize("command", ["fit", "evaluate"])
def test_output_folder_under_a_file(command: str, shop: Path, capfd: pytest.CaptureFixture[str]) -> None:
    argv = READERS[command]
    refused([*argv[:-1], "items.csv/deeper"], capfd, "items.csv' is a file")


@pytest.mark.parametrize("command", ["fit", "evaluate"])
def test_output_folder_not_writable(command: str, shop: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    def refuse(**kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    # permission bits do not stop root, and CI may be root: the refusal is made here
    monkeypatch.setattr("tempfile.NamedTemporaryFile", refuse)
    refused(READERS[command], capfd, "Permission denied")


def test_output_folder_full(shop: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    refused(FIT, capfd, "No space left on device")


def test_two_runs_writing_one_folder(model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    import threading

    held, done = threading.Event(), threading.Event()

    def other_run() -> None:
        with folder_lock(model / "shop.model"):
            held.set()
            done.wait(60)

    thread = threading.Thread(target=other_run)
    thread.start()
    held.wait(60)
    try:
        refused([*FIT[:-1], "shop.model"], capfd, "another run is writing")
        refused(["catalog", "add", "shop.model", "--items", "new_items.csv"], capfd, "another run is writing")
    finally:
        done.set()
        thread.join()


def test_source_to_import_is_missing(shop: Path, capfd: pytest.CaptureFixture[str]) -> None:
    refused(["import", "amazon2018", "nowhere", "--out", "tables"], capfd, "nowhere")
    refused(["import", "recbole", "--out", "tables"], capfd, "SOURCE")
    refused(["import", "retail"], capfd, "--out is missing")


ASK = ["recommend", "shop.model", "--user", "u1"]


@pytest.mark.parametrize("k", ["0", "-3"])
def test_lists_of_no_length(k: str, model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    refused([*ASK, "-k", k], capfd, f"-k is {k}")
    refused(["similar", "shop.model", "b1", "-k", k], capfd, f"-k is {k}")


@pytest.mark.parametrize("whom", [[], ["--user", "u1", "--all-users"], ["--all-users", "--histories", "histories.csv"]], ids=" ".join)
def test_nobody_or_too_many_to_recommend_to(whom: list[str], model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    refused(["recommend", "shop.model", *whom], capfd, "exactly one of --user, --all-users, --histories")


def test_unknown_category(model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    refused([*ASK, "--categories", "Books,Toyz"], capfd, "Toyz", "Toys")


def test_unknown_item(model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    refused(["similar", "shop.model", "b99"], capfd, "b99")


def test_one_single_category_beyond_history(shop: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shop_items().with_columns(category=pl.lit("Books"), categories=pl.lit("Books")).write_csv(shop / "items.csv")
    assert run(FIT) == 0
    refused(["recommend", "new.model", "--user", "u1", "--beyond-history"], capfd, "Books")


@pytest.mark.parametrize(
    ("where", "part"), [("price <", "price <"), ("colour = 'red'", "colour"), ("price < 50 AND", "AND"), ("", "where"), ("1; drop", "drop")]
)
def test_filters_that_do_not_parse(where: str, part: str, model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    refused([*ASK, "--where", where], capfd, part)


@pytest.mark.parametrize("option", [["--diversity", "1.5"], ["--diversity", "nan"], ["--max-per-category", "0"]], ids=" ".join)
def test_requests_out_of_range(option: list[str], model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    refused([*ASK, *option], capfd, option[1])


@pytest.mark.parametrize("out", ["lists.xlsx", "nowhere/lists.csv"])
def test_lists_to_a_place_that_cannot_be(out: str, model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    refused([*ASK, "--out", out], capfd, out.split("/")[0])


@pytest.mark.parametrize("option", ["--histories", "--candidates"])
def test_tables_of_a_request(option: str, model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    argv = ["recommend", "shop.model", *(["--histories", "histories.csv"] if option == "--candidates" else []), option]
    refused([*argv, "nowhere.csv"], capfd, "nowhere.csv")
    pl.DataFrame({"query_id": ["q1"], "sku": ["b1"]}).write_csv("other.csv")
    refused([*argv, "other.csv"], capfd, "item_id")


def test_items_to_add(model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    argv = ["catalog", "add", "shop.model", "--items"]
    refused([*argv, "nowhere.csv"], capfd, "nowhere.csv")
    pl.DataFrame({"sku": ["b1"]}).write_csv("other.csv")
    refused([*argv, "other.csv"], capfd, "item_id")


USES = {
    "recommend": ASK,
    "similar": ["similar", "shop.model", "b1"],
    "catalog add": ["catalog", "add", "shop.model", "--items", "new_items.csv"],
    "info": ["info", "shop.model"],
}


@pytest.mark.parametrize("use", USES)
def test_no_model_there(use: str, shop: Path, capfd: pytest.CaptureFixture[str]) -> None:
    refused(USES[use], capfd, "no model at shop.model")


@pytest.mark.parametrize("use", USES)
def test_version_with_a_file_missing(use: str, model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (open_version(model / "shop.model") / "items.parquet").unlink()
    refused(USES[use], capfd, "items.parquet is missing")


@pytest.mark.parametrize("use", USES)
def test_version_with_a_file_altered(use: str, model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = open_version(model / "shop.model") / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    refused(USES[use], capfd, "model.safetensors was altered")


@pytest.mark.parametrize("use", USES)
def test_version_of_a_newer_format(use: str, model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = open_version(model / "shop.model") / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format_version": 999}))
    refused(USES[use], capfd, "format 999", "upgrade")
