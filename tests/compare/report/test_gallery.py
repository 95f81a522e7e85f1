from pathlib import Path

import pytest

from compare import report
from compare.report import gallery
from compare.study import store, thin
from compare.study.results_folder import STUDY_FILE

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[3]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]


def test_every_figure_of_the_gallery_lies_beside_the_study_that_it_is_drawn_from():
    shown = gallery.shown(PAGES)
    assert len(shown) >= 3
    for path in shown:
        assert path.is_file(), path
        assert store.read(path.with_name(STUDY_FILE)).attrs["thinned"]


def test_study_files_that_are_kept_are_small():
    kept = sorted((REPOSITORY / "results" / "reference").glob("*/study.nc"))
    assert {path.parent for path in gallery.shown(PAGES)} <= {path.parent for path in kept}
    assert max(path.stat().st_size for path in kept) <= thin.MOST_BYTES


def test_figures_are_drawn_from_the_file_beside_them_and_others_removed(study, tmp_path):
    folder = tmp_path / "results" / "reference" / "drawn"
    thin.write(folder / "study.nc", study)
    (folder / "old.svg").write_text("no longer shown")
    readme = tmp_path / "README.md"
    readme.write_text("text ![Periods](results/reference/drawn/periods.svg) ![x](other/x.svg)")
    gallery.draw(gallery.shown([readme]))
    assert sorted(path.name for path in folder.iterdir()) == ["periods.svg", "study.nc"]
    kept = store.read(folder / "study.nc")
    assert (folder / "periods.svg").read_text() == report.draw(kept)["periods"]
    readme.write_text("![Periods](results/reference/drawn/sphere.svg)")
    with pytest.raises(ValueError, match="has no figure sphere; known: "):
        gallery.draw(gallery.shown([readme]))
    assert (folder / "periods.svg").is_file()
