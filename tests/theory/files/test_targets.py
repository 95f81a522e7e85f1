import os

import pytest

from theory import files


@pytest.mark.parametrize("kind", ["file", "folder", "link", "dangling"])
def test_a_new_file_is_made_only_where_there_is_nothing(tmp_path, kind):
    path = tmp_path / "x.nc"
    (tmp_path / "mine").write_text("mine")
    {
        "file": lambda: os.link(tmp_path / "mine", path),
        "folder": path.mkdir,
        "link": lambda: path.symlink_to("mine"),
        "dangling": lambda: path.symlink_to("nowhere"),
    }[kind]()
    said = "leads nowhere" if kind == "dangling" else "exists already"
    with pytest.raises(FileExistsError, match=rf"x\.nc .*{said}"), files.new_file(path):
        pytest.fail("it may be written")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["mine", "x.nc"]


def test_only_a_file_that_holds_the_mark_is_ours(tmp_path):
    path, ours = tmp_path / "x.html", files.holds("<mark>", "<older>")
    for filling, text in (("", "<mark>"), (" " * 500_000, "<older>")):
        path.write_text(filling + text)
        files.check_ours(path, "report", ours)
        path.write_text(filling + "<other>")
        with pytest.raises(FileExistsError, match=r"x\.html is there and is no report"):
            files.check_ours(path, "report", ours)
    files.check_ours(tmp_path / "none", "report", ours)


@pytest.mark.parametrize("path", ["/dev/null", "/"])
def test_devices_and_folders_are_not_replaced(path, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(path)
    with pytest.raises(FileExistsError, match="is no report"):
        files.check_ours(link, "report", lambda _: True)
