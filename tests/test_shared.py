"""Arrays that processes share: made once, private once written to, each one's own where the folder cannot be used; rows that grow."""

import subprocess
import sys
import threading

import numpy as np
import pytest

from crossaisle.shared import ALONE, Growing, Shared


def _never():
    raise AssertionError("made a second time")


def _rows(n=3):
    return np.arange(2 * n, dtype=np.float32).reshape(n, 2)


def test_what_one_made_the_other_maps_and_writing_changes_only_ones_own(tmp_path):
    one = Shared(tmp_path / "new").rows("a", 3, _rows).rows
    other = Shared(tmp_path / "new").rows("a", 3, _never).rows
    one[0] = -1.0
    assert other.tolist() == _rows().tolist()
    assert Shared(tmp_path / "new").rows("a", 3, _never).rows.tolist() == _rows().tolist()


def test_another_process_maps_it_too(tmp_path):
    Shared(tmp_path).rows("a", 3, _rows)
    code = f"import crossaisle.shared as s; print(s.Shared({str(tmp_path)!r}).rows('a', 3, None).rows.sum())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "15.0\n"


def test_of_several_that_need_it_at_once_one_makes_it(tmp_path):
    made, found, start = [], [], threading.Barrier(4)

    def make():
        made.append(1)
        return _rows(500)

    def work():
        start.wait()
        found.append(Shared(tmp_path).rows("a", 500, make).rows)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert all(np.array_equal(one, _rows(500)) for one in found)


def test_alone_everything_is_ones_own():
    made = _rows()
    assert ALONE.rows("a", 3, lambda: made).rows is made
    assert ALONE.of("v1") is ALONE


def test_where_the_folder_cannot_be_used_it_is_made_all_the_same(tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert Shared(tmp_path / "file").rows("a", 3, _rows).rows.tolist() == _rows().tolist()


def test_a_fault_while_it_is_made_is_told_and_leaves_nothing(tmp_path):
    with pytest.raises(AssertionError, match="a second time"):
        Shared(tmp_path).rows("a", 3, _never)
    assert Shared(tmp_path).rows("a", 3, _rows).rows.tolist() == _rows().tolist()


def test_of_an_older_version_nothing_stays_but_what_is_mapped(tmp_path):
    old = Shared(tmp_path).of("v1").rows("a", 3, _rows).rows
    new = Shared(tmp_path).of("v2").rows("a", 3, lambda: _rows() + 1).rows
    assert [p.name for p in tmp_path.iterdir()] == ["v2"]
    assert old.tolist() == _rows().tolist()
    assert new.tolist() == (_rows() + 1).tolist()


@pytest.mark.parametrize("shared", [False, True])
def test_rows_follow_without_a_copy_of_those_before(tmp_path, shared):
    first = (Shared(tmp_path) if shared else ALONE).rows("a", 3, _rows)
    if not shared:
        first = Growing(_rows(2)).followed_by(_rows()[2:])  # the first time there is no room, and they are copied
    second = first.followed_by(_rows(2))
    third = second.followed_by(_rows(1))
    assert np.shares_memory(first.rows, third.rows)
    assert third.rows.tolist() == [*_rows().tolist(), *_rows(2).tolist(), *_rows(1).tolist()]
    assert [len(one.rows) for one in (first, second, third)] == [3, 5, 6]
    if shared:  # the file, and so every other process, has none of it
        again = Shared(tmp_path).rows("a", 3, _never)
        assert again.followed_by(np.zeros((1, 2), np.float32)).rows[3:].tolist() == [[0.0, 0.0]]


def test_two_that_follow_the_same_rows_do_not_write_to_the_same_place():
    first = Growing(_rows()).followed_by(_rows(1))
    one, other = first.followed_by(np.full((2, 2), 1.0, np.float32)), first.followed_by(np.full((2, 2), 2.0, np.float32))
    assert one.rows[4:].tolist() == [[1.0, 1.0]] * 2
    assert other.rows[4:].tolist() == [[2.0, 2.0]] * 2


def test_two_threads_that_follow_the_same_rows_do_not_write_to_the_same_place():
    first, found = Growing(_rows()).followed_by(_rows(1)), list[Growing]()

    class Slow:
        """Rows that are long on their way: meanwhile others follow, as from another thread."""

        def __len__(self):
            return 2

        def __array__(self, dtype=None, copy=None):
            if not found:
                found.append(first.followed_by(np.full((2, 2), 2.0, np.float32)))
            return np.full((2, 2), 1.0, np.float32)

    slow = first.followed_by(Slow())
    assert slow.rows[4:].tolist() == [[1.0, 1.0]] * 2
    assert found[0].rows[4:].tolist() == [[2.0, 2.0]] * 2


def test_more_than_there_is_room_for():
    grown = Growing(_rows()).followed_by(_rows(1))
    more = grown.followed_by(np.ones((5_000, 2), np.float32))
    assert len(more.rows) == 5_004
    assert more.rows[:4].tolist() == grown.rows.tolist()
    assert more.rows[4:].min() == 1.0
