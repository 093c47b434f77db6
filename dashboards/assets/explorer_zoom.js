/* What was zoomed to stays while the axes mean the same. plotly.js would see to that (uirevision), but
   Dash hands a zoomed figure back to it as if it had been asked for like that. */
(function () {
  "use strict";

  // By axis: the range that was asked for last, and the one that was zoomed to, if any.
  let asked = {}, zoomed = {}, revision = null, own = null;

  function same(one, other) { return JSON.stringify(one) === JSON.stringify(other); }

  function keep(plot, event) {
    Object.keys(asked).forEach(function (axis) {
      const now = plot.layout[axis] && plot.layout[axis].range;
      if (!now || event[axis + ".autorange"] || same(now, asked[axis])) { delete zoomed[axis]; } else { zoomed[axis] = now.slice(); }
    });
  }

  function held(plot, figure) {
    if (!plot.closest || !plot.closest("#figure") || !figure || !figure.layout) { return figure; }
    const layout = Object.assign({}, figure.layout);
    if (layout.uirevision !== revision) { zoomed = {}; revision = layout.uirevision; }
    Object.keys(layout).forEach(function (axis) {
      if (!/^[xy]axis\d*$/.test(axis) || !layout[axis].range) { return; }
      if (!zoomed[axis]) { asked[axis] = layout[axis].range.slice(); return; }
      if (!same(layout[axis].range, zoomed[axis])) {
        asked[axis] = layout[axis].range.slice();
        layout[axis] = Object.assign({}, layout[axis], { range: zoomed[axis].slice() });
      }
    });
    return Object.assign({}, figure, { layout: layout });
  }

  function wrap(plotly) {
    const react = plotly.react;
    plotly.react = function (plot, figure) {
      const place = typeof plot === "string" ? document.getElementById(plot) : plot;
      return react.call(plotly, place, held(place, figure)).then(function (drawn) {
        if (own !== place && place.closest("#figure")) {
          own = place;
          place.on("plotly_relayout", function (event) { keep(place, event || {}); });
        }
        return drawn;
      });
    };
  }

  let plotly = window.Plotly;
  if (plotly) { wrap(plotly); return; }
  Object.defineProperty(window, "Plotly", {
    configurable: true,
    get: function () { return plotly; },
    set: function (found) { plotly = found; if (found && found.react) { wrap(found); } },
  });
}());
