"""The pictures of the notebooks: nothing is cut off, and each notebook has its own."""

import base64
import json

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from tests import drawings
from tests.drawings import NOTEBOOKS, PICTURES

pytestmark = pytest.mark.slow


@pytest.fixture(params=PICTURES)
def name(request) -> str:
    return request.param


def test_each_notebook_has_a_picture():
    assert sorted(PICTURES) == sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))


def test_nothing_is_cut_off_and_no_text_lies_on_another(name):
    figure = PICTURES[name]()
    renderer = FigureCanvasAgg(figure).get_renderer()
    page = figure.bbox
    texts = [text for text in figure.axes[0].texts if text.get_text()]
    boxes = [text.get_window_extent(renderer) for text in texts]
    for text, where in zip(texts, boxes, strict=True):
        assert page.x0 < where.x0 < where.x1 < page.x1, text.get_text()
        assert page.y0 < where.y0 < where.y1 < page.y1, text.get_text()
    for i, where in enumerate(boxes):
        for j in range(i):
            assert not where.overlaps(boxes[j]), (texts[i].get_text(), texts[j].get_text())


def test_the_notebook_has_it_with_its_text(name):
    notebook = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8"))
    cell = notebook["cells"][0]
    assert f"![{PICTURES[name].__doc__}](attachment:picture.png)" in "".join(cell["source"])
    picture = base64.b64decode(cell["attachments"]["picture.png"]["image/png"])
    # The pixels may differ with the version of matplotlib; what is on it, in size, does not.
    assert picture[:24] == drawings.png(PICTURES[name]())[:24]
