"""The program's frame: help, versions, exit codes, options, files written whole or not at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from crossaisle import __version__
from crossaisle.cli import main as program
from crossaisle.cli.main import run
from crossaisle.cli.options import parse_columns, parse_settings, split_names
from crossaisle.cli.output import check_writable, kept_rejects, write_frame
from crossaisle.cli.progress import progress_bar
from crossaisle.cli.show import print_facts, print_json, print_table
from crossaisle.errors import MissingExtra, OutputError, RequestError, SettingError, TableError

COMMANDS = ["demo", "check", "fit", "recommend", "evaluate", "attack", "tune", "similar", "graph", "catalog", "import", "settings", "info"]


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"\n  {name} " in shown for name in COMMANDS)


@pytest.mark.parametrize("command", [[], *[[c] for c in COMMANDS], ["catalog", "add"]], ids=" ".join)
def test_every_command_has_help(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*command, "--help"]) == 0
    out, err = capsys.readouterr()
    assert "Usage:" in out
    assert err == ""


def test_help_does_not_wait_for_torch() -> None:
    code = "import sys; from crossaisle.cli.main import run; assert run(['--help']) == 0; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_nothing_asked_shows_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 0
    assert "Commands:" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"{__version__}\n"


def test_openmp_waits_without_spinning_unless_told_otherwise() -> None:
    code = "import crossaisle, os; print(os.environ['OMP_WAIT_POLICY'])"
    bare = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"}
    for given, expected in (({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE")):
        done = subprocess.run([sys.executable, "-c", code], env={**bare, **given}, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == expected


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["fitt"], "error: No such command 'fitt'. Did you mean 'fit', 'refit'?; next: crossaisle --help"),
        (["catalog"], "error: Missing command; next: crossaisle catalog --help"),
        (["fit"], "error: Missing option '--interactions'; next: crossaisle fit --help"),
        (["fit", "--nope"], "error: No such option: --nope; next: crossaisle fit --help"),
        (
            ["recommend", "m", "--user", "u", "--lang", "fr"],
            "error: Invalid value for '--lang': 'fr' is not one of 'en', 'zh'; next: crossaisle recommend --help",
        ),
    ],
)
def test_misuse_is_one_line(argv: list[str], line: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(argv) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err == line + "\n"


@pytest.mark.parametrize(
    ("raised", "code", "line"),
    [
        (KeyboardInterrupt(), 130, "error: stopped by Ctrl-C; what was complete before is kept"),
        (MissingExtra("photos", "pip install x"), 2, "error: photos need an optional part that is not installed; next: pip install x"),
        (
            OSError(28, "No space left on device", "lists.csv"),
            2,
            "error: No space left on device: lists.csv; expected a place that can be read and written; "
            "next: check the path and the free space",
        ),
        (TableError("two\nlines", "one", "mend it"), 2, "error: two lines; expected one; next: mend it"),
    ],
)
def test_failures_become_one_line(
    raised: BaseException, code: int, line: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(**kwargs: object) -> None:
        raise raised

    monkeypatch.setattr(program, "app", fail)
    assert run(["info", "m"]) == code
    assert capfd.readouterr().err == line + "\n"


def test_a_defect_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**kwargs: object) -> None:
        raise ZeroDivisionError("a defect of ours")

    monkeypatch.setattr(program, "app", fail)
    with pytest.raises(ZeroDivisionError, match="a defect of ours"):
        run(["info", "m"])


def test_an_unexpected_system_error_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**kwargs: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(program, "app", fail)
    with pytest.raises(OSError, match="Input/output error"):
        run(["info", "m"])


@pytest.mark.parametrize(("raised", "code", "line"), [(3, 3, ""), (None, 0, ""), ("no room", 1, "error: no room\n")])
def test_the_code_of_a_system_exit_is_kept(
    raised: object, code: int, line: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def leave(**kwargs: object) -> None:
        raise SystemExit(raised)

    monkeypatch.setattr(program, "app", leave)
    assert run(["info", "m"]) == code
    assert capfd.readouterr().err == line


def test_a_closed_pipe_is_no_error() -> None:
    code = "import sys; from crossaisle.cli.main import main; sys.argv = ['crossaisle', '--help']; main()"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.close()
        assert child.stderr is not None
        assert child.stderr.read() == b""
    assert child.returncode == 0


@pytest.mark.parametrize("text", ["user_id", "=uid", "user_id=", "user_id=uid,,item_id=sku"])
def test_columns_that_are_no_pairs(text: str) -> None:
    with pytest.raises(RequestError, match="--columns holds"):
        parse_columns([text])


@pytest.mark.parametrize("text", ["train.epochs", "=3", ""])
def test_settings_that_are_no_assignments(text: str) -> None:
    with pytest.raises(SettingError, match="--set holds"):
        parse_settings([text])


def test_a_setting_may_hold_an_equals_sign() -> None:
    assert parse_settings(["text.reader=a=b"]) == {"text.reader": "a=b"}


def test_names_may_hold_commas() -> None:
    assert split_names(["Toys, Games,Books", "Home"], known=["Books", "Toys, Games"]) == ("Toys, Games", "Books", "Home")
    assert split_names(None) == ()


@pytest.mark.parametrize("name", ["out.csv", "out.tsv", "out.jsonl", "out.parquet", "out.csv.gz", "out.jsonl.gz"])
def test_frames_come_back_as_written(name: str, tmp_path: Path) -> None:
    from crossaisle.data.readers.tables import read_table

    frame = pl.DataFrame({"item_id": ['quote " and, comma', "新品 🌱", "line\nbreak", " "], "rank": [1, 2, 3, 4]})
    path = write_frame(frame, tmp_path / name)
    back = read_table(path)
    assert back["item_id"].to_list() == frame["item_id"].to_list()
    assert back["rank"].cast(pl.Int64).to_list() == [1, 2, 3, 4]
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out.csv"
    path.write_text("old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left on device"):
        write_frame(pl.DataFrame({"a": [1]}), path)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["out.csv"]


@pytest.mark.parametrize(
    ("out", "folder", "message"),
    [
        ("out.xlsx", False, "expected a name that ends in .parquet"),
        ("out.parquet.gz", False, "expected a name that ends in .parquet"),
        ("missing/out.csv", False, "folder 'missing' does not exist; .* next: mkdir -p missing"),
        ("taken.csv", False, "is a folder"),
        ("file.txt/out.csv", False, "folder 'file.txt' does not exist"),
        ("file.txt", True, "is a file"),
        ("file.txt/model", True, "is a file"),
    ],
)
def test_places_that_cannot_be_written(out: str, folder: bool, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file.txt").write_text("")
    Path("taken.csv").mkdir()
    with pytest.raises(OutputError, match=message):
        check_writable(out, folder=folder)


def test_a_place_that_refuses_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**kwargs: object) -> None:
        raise OSError(30, "Read-only file system")

    # permission bits do not stop root, and CI may be root: the refusal is made here
    monkeypatch.setattr("tempfile.NamedTemporaryFile", refuse)
    with pytest.raises(OutputError, match=r"cannot write into .* \(Read-only file system\)"):
        check_writable(tmp_path / "model", folder=True)


def test_rejected_rows_are_kept_only_after_success(tmp_path: Path) -> None:
    target = tmp_path / "new" / "rejected.jsonl"
    with pytest.raises(RequestError), kept_rejects(target) as place:  # noqa: PT012
        place.write_text("{}\n")
        raise RequestError("a", "b", "c")
    assert not target.parent.exists()
    with kept_rejects(target):
        pass
    assert not target.parent.exists()
    with kept_rejects(target) as place:
        place.write_text("{}\n")
    assert target.read_text() == "{}\n"
    assert [p.name for p in target.parent.iterdir()] == ["rejected.jsonl"]
    with pytest.raises(RequestError), kept_rejects(target):
        raise RequestError("a", "b", "c")
    assert target.exists()
    with kept_rejects(target):
        pass
    assert not target.exists()


def test_rejected_rows_replace_the_old_file_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "rejected.jsonl"
    target.write_text("old\n")

    def full(source: object, name: object) -> None:
        Path(str(name)).write_text("ha")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", full)
    with (
        pytest.raises(OutputError, match=r"rejected rows cannot be kept in .* \(No space left on device\)"),
        kept_rejects(target) as place,
    ):
        place.write_text("new\n")
    assert [p.name for p in tmp_path.iterdir()] == ["rejected.jsonl"]
    assert target.read_text() == "old\n"


def test_json_knows_no_nan(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": float("nan"), "b": [1.5, float("inf")], "c": ("品", None), "d": {1: True}})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": [1.5, None], "c": ["品", None], "d": {"1": True}}


def test_tables_print_markup_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([{"item_id": "[bold]x[/bold]", "score": 0.5}, {"item_id": "y", "score": None}], title="[red]t")
    shown = capsys.readouterr().out
    assert "[bold]x[/bold]" in shown
    assert "[red]t" in shown
    assert "0.5000" in shown
    print_table([])


def test_facts_are_nested(capsys: pytest.CaptureFixture[str]) -> None:
    print_facts({"model": "m", "quality": {"ndcg@10": 0.125}})
    assert capsys.readouterr().out == "model  m\nquality:\n  ndcg@10  0.1250\n"


def test_progress_is_silent_in_a_pipe(capfd: pytest.CaptureFixture[str]) -> None:
    with progress_bar() as progress:
        progress("training", 1, 2, "loss 3.2")
    assert capfd.readouterr() == ("", "")


def test_progress_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "160")
    with progress_bar() as progress:
        for done in range(3):
            progress("training", done, 2, f"loss {3 - done}")
    shown = capsys.readouterr().err
    assert "training" in shown
    assert "2/2" in shown
    assert "loss 1" in shown
