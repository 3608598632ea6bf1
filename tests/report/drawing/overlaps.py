"""Which texts of a figure can't be read."""

from itertools import combinations

from matplotlib.figure import Figure


def overlapping_texts(figure: Figure) -> list[tuple[str, str]]:
    """Titles and tick labels that share pixels, and those that leave the figure."""
    figure.draw_without_rendering()
    every_axis = [axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)]
    # Matplotlib keeps ticks just outside of the view, which it doesn't draw.
    ticks = [
        tick.label1
        for axis in every_axis
        for tick in axis.get_major_ticks()
        if min(axis.get_view_interval()) <= tick.get_loc() <= max(axis.get_view_interval())
    ]
    texts = [*ticks, *(axes.title for axes in figure.axes), *figure.texts]
    texts += [text for legend in figure.legends for text in legend.texts]
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts if text.get_visible() and text.get_text()]
    outside = [(name, "figure") for name, box in boxes if box.x0 < 0 or box.x1 > figure.bbox.x1]
    return outside + [(a[0], b[0]) for a, b in combinations(boxes, 2) if a[1].overlaps(b[1])]
