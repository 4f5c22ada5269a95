"""Draw the pictures of docs/concepts as SVG files, with nothing but the standard library.

python tools/draw_diagrams.py [DIRECTORY]        by default docs/images
"""

from __future__ import annotations

import sys
from pathlib import Path
from xml.sax.saxutils import escape

INK, PALE, BLUE, GREEN, RED = "#1f2933", "#7b8794", "#2460c4", "#1d7a46", "#b3362b"


class Drawing:
    """A picture on a light ground, so that it can be read on a dark page as well."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self.size = width, height
        self.title = title
        self.parts: list[str] = []

    def box(self, x: int, y: int, w: int, h: int, text: str = "", fill: str = "#fff", ink: str = INK) -> None:
        self.parts.append(
            f'<rect x="{x}" y="{y}" width="{w}" height="{h}" rx="6" fill="{fill}" stroke="{ink}" '
            'stroke-width="1.4"/>'
        )
        for number, line in enumerate(lines := text.split("\n") if text else []):
            self.text(x + w // 2, y + h // 2 + 5 - 9 * (len(lines) - 1) + 18 * number, line, ink)

    def text(self, x: int, y: int, text: str, ink: str = INK, at: str = "middle", size: int = 14) -> None:
        self.parts.append(
            f'<text x="{x}" y="{y}" text-anchor="{at}" font-size="{size}" fill="{ink}" paint-order="stroke" '
            f'stroke="#f7f9fb" stroke-width="5" stroke-opacity="0.8">{escape(text)}</text>'
        )

    def line(
        self, x1: int, y1: int, x2: int, y2: int, ink: str = INK, dashed: bool = False, arrow: bool = True
    ) -> None:
        self.parts.append(
            f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{ink}" stroke-width="1.6"'
            + (' stroke-dasharray="5 4"' if dashed else "")
            + (f' marker-end="url(#{ink[1:]})"' if arrow else "")
            + "/>"
        )

    def svg(self) -> str:
        width, height = self.size
        markers = "".join(
            f'<marker id="{ink[1:]}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
            f'orient="auto"><path d="M0 0 10 5 0 10z" fill="{ink}"/></marker>'
            for ink in (INK, PALE, BLUE, GREEN, RED)
        )
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
                f'height="{height}" role="img" font-family="system-ui, sans-serif">',
                f"<title>{escape(self.title)}</title><defs>{markers}</defs>",
                f'<rect width="{width}" height="{height}" rx="10" fill="#f7f9fb"/>',
                *self.parts,
                "</svg>\n",
            ]
        )


def vat() -> Drawing:
    drawing = Drawing(740, 260, "A vat: messages wait in a queue, and each is one turn")
    drawing.box(150, 30, 420, 190, ink=PALE, fill="#eef3f9")
    drawing.text(165, 52, "a vat", PALE, "start")
    for number in range(3):
        drawing.box(170 + 42 * number, 105, 36, 36, str(3 - number), fill="#fff", ink=BLUE)
    drawing.text(230, 165, "messages wait", PALE)
    drawing.line(20, 123, 164, 123, BLUE)
    drawing.text(80, 110, "sends", BLUE)
    drawing.line(298, 123, 350, 123, BLUE)
    drawing.box(355, 88, 190, 70, "one turn\nof one object", fill="#fff")
    drawing.line(545, 123, 710, 123, GREEN)
    drawing.text(585, 96, "it returns: all", GREEN, "start", 13)
    drawing.text(585, 113, "takes effect at once", GREEN, "start", 13)
    drawing.line(450, 158, 450, 245, RED)
    drawing.text(440, 240, "it raises: all is undone, the answer breaks", RED, "end", 13)
    return drawing


def _sequence(drawing: Drawing, x: int, head: str, arrows: list[tuple[int, int, str, str]], end: int) -> None:
    """Two lifelines at ``x`` and ``x + 220``; arrows as (from y, to y, text, colour), leftwards if GREEN."""
    drawing.text(x + 110, 28, head)
    for at, name in ((x, "client"), (x + 220, "server")):
        drawing.box(at - 38, 42, 76, 28, name, ink=PALE)
        drawing.line(at, 70, at, end, PALE, arrow=False)
    for start, stop, text, ink in arrows:
        if ink == GREEN:
            drawing.line(x + 220, start, x, stop, ink)
        else:
            drawing.line(x, start, x + 220, stop, ink)
        drawing.text(x + 110, (start + stop) // 2 - 6, text, ink, size=13)


def pipelining() -> Drawing:
    drawing = Drawing(720, 390, "Three dependent calls: three round trips, or one")
    patient: list[tuple[int, int, str, str]] = []
    for number, (call, answer) in enumerate(
        [("branch('Bern')", "a branch"), (".account('Ada')", "an account"), (".balance()", "42")]
    ):
        y = 92 + 96 * number
        patient += [(y, y + 36, call, BLUE), (y + 46, y + 82, answer, GREEN)]
    _sequence(drawing, 70, "await each: three round trips", patient, 372)
    piped = [
        (92, 128, "branch('Bern')", BLUE),
        (116, 152, ".account('Ada')", BLUE),
        (140, 176, ".balance()", BLUE),
        (190, 226, "42", GREEN),
    ]
    _sequence(drawing, 430, "pipelined: one", piped, 372)
    drawing.text(540, 280, "The later calls are for", PALE, size=13)
    drawing.text(540, 298, "“the answer to question 1”:", PALE, size=13)
    drawing.text(540, 316, "they need not wait for it.", PALE, size=13)
    return drawing


def tables() -> Drawing:
    drawing = Drawing(720, 300, "The four tables of a session, and how each mirrors one of the other side")
    for x, name in ((40, "Alice's side"), (440, "Bob's side")):
        drawing.box(x, 40, 240, 235, ink=PALE, fill="#eef3f9")
        drawing.text(x + 120, 30, name)
    rows = [
        ("questions", "answers", "what Alice has asked", BLUE),
        ("answers", "questions", "what Bob has asked", BLUE),
        ("exports", "imports", "objects of Alice that Bob holds", GREEN),
        ("imports", "exports", "objects of Bob that Alice holds", GREEN),
    ]
    for number, (left, right, meaning, ink) in enumerate(rows):
        y = 56 + 54 * number
        drawing.box(60, y, 200, 34, left, ink=ink)
        drawing.box(460, y, 200, 34, right, ink=ink)
        drawing.line(264, y + 17, 456, y + 17, ink, arrow=False)
        drawing.text(360, y + 11, meaning, PALE, size=12)
    return drawing


def collection() -> Drawing:
    drawing = Drawing(720, 250, "Distributed garbage collection counts what was sent")
    _sequence(
        drawing,
        250,
        "an object is given away, and comes free again",
        [
            (92, 112, "make_car(…)", BLUE),
            (126, 146, "<import-object 7>", GREEN),
            (190, 210, "op:gc-exports [7] [1]", BLUE),
        ],
        235,
    )
    drawing.text(205, 148, "holds a reference", PALE, "end", 13)
    drawing.text(205, 186, "drops the last one", PALE, "end", 13)
    drawing.text(515, 136, "export 7, sent once", PALE, "start", 13)
    drawing.text(515, 222, "7 is free: the car may go", PALE, "start", 13)
    return drawing


def handoff() -> Drawing:
    drawing = Drawing(720, 320, "A hand-off between three peers")
    drawing.box(280, 20, 160, 50, "Alice\n(gifter)")
    drawing.box(60, 230, 160, 50, "Bob\n(receiver)")
    drawing.box(500, 230, 160, 50, "Carol\n(exporter)")
    drawing.line(300, 74, 160, 226, BLUE)
    drawing.text(215, 130, "1  the message, with a", BLUE, "end", 13)
    drawing.text(205, 147, "signed certificate", BLUE, "end", 13)
    drawing.line(420, 74, 560, 226, BLUE)
    drawing.text(505, 130, "2  “keep this for Bob”:", BLUE, "start", 13)
    drawing.text(515, 147, "the gift is deposited", BLUE, "start", 13)
    drawing.line(224, 245, 496, 245, GREEN)
    drawing.text(360, 236, "3  the certificate, countersigned", GREEN, size=13)
    drawing.line(496, 267, 224, 267, GREEN)
    drawing.text(360, 286, "4  a reference to Carol's object", GREEN, size=13)
    drawing.text(360, 309, "From here on Alice takes no part: she may go away.", PALE, size=13)
    return drawing


def sturdyref() -> Drawing:
    drawing = Drawing(720, 170, "The parts of a sturdyref's URI")
    parts = [
        ("ocapn://", 72, PALE, ""),
        ("qz4…7a", 110, BLUE, "designator:\nwhich peer"),
        (".unix", 90, BLUE, "transport:\nby what way"),
        ("/s/", 38, PALE, ""),
        ("mXw3…Jk", 100, RED, "swiss number:\nthe secret"),
        ("?path=%2Ftmp%2Fx.sock", 215, GREEN, "hints:\nwhere to try"),
    ]
    x = 40
    for text, width, ink, meaning in parts:
        drawing.box(x, 50, width, 36, text, ink=ink)
        for number, line in enumerate(meaning.split("\n")):
            drawing.text(x + width // 2, 112 + 17 * number, line, ink, size=13)
        x += width + 6
    drawing.text(40, 32, "a sturdyref, as text: a password", INK, "start")
    return drawing


DRAWINGS = (vat, pipelining, tables, collection, handoff, sturdyref)


def main(directory: Path) -> None:
    directory.mkdir(exist_ok=True)
    for draw in DRAWINGS:
        (directory / f"{draw.__name__}.svg").write_text(draw().svg(), encoding="utf-8")


if __name__ == "__main__":
    default = Path(__file__).parents[1] / "docs" / "images"
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else default)
