/* What Dash has no component for: native selects, the theme, and pictures made in the browser. */
(function () {
  "use strict";

  const dark = window.matchMedia("(prefers-color-scheme: dark)");

  function theme() {
    let chosen = null;
    try { chosen = window.localStorage.getItem("climber-theme"); } catch (error) { /* forbidden */ }
    return chosen === "dark" || chosen === "light" ? chosen : dark.matches ? "dark" : "light";
  }

  function paint() {
    document.documentElement.dataset.theme = theme();
  }

  paint();
  dark.addEventListener("change", function () {
    paint();
    if (window.dash_clientside.set_props) {
      window.dash_clientside.set_props("theme-now", { data: theme() });
    }
  });

  // A change of any native select is told to Dash as one object: name in the state to value.
  document.addEventListener("change", function (event) {
    if (!event.target.matches || !event.target.matches("select[data-choice]")) { return; }
    const chosen = {};
    document.querySelectorAll("select[data-choice]").forEach(function (select) {
      chosen[select.dataset.choice] = select.value;
    });
    window.dash_clientside.set_props("form", { data: chosen });
  });

  // Dash's checklists are native checkboxes in labels, which it also calls options of a list: an
  // option may hold no checkbox, so the names of roles are taken off again.
  function plain(element) {
    element.removeAttribute("role");
    element.removeAttribute("aria-selected");
  }
  new window.MutationObserver(function () {
    document.querySelectorAll(".dash-options-list-option[role], .dash-options-list-option[aria-selected]")
      .forEach(plain);
    document.querySelectorAll(".checks[role=listbox], .checks [role=listbox]").forEach(plain);
  }).observe(document, {
    subtree: true, childList: true, attributes: true, attributeFilter: ["role", "aria-selected"],
  });

  // Enter in a field must not load the page anew.
  document.addEventListener("submit", function (event) { event.preventDefault(); });

  // An address that was opened, or gone back to, may be answered by one that says the same in full:
  // that is no step of the way back, or nobody would ever get past it.
  let touched = false;
  ["pointerdown", "keydown", "change"].forEach(function (kind) {
    document.addEventListener(kind, function () { touched = true; lost("", FAILED); }, true);
  });
  window.addEventListener("popstate", function () { touched = false; }, true);
  const push = window.history.pushState;
  window.history.pushState = function () {
    return (touched ? push : window.history.replaceState).apply(window.history, arguments);
  };

  // Of an answer that doesn't come, Dash tells the console alone.
  const ENDED = "No answer: climber dashboard has ended, or can't be reached. Start it again with the "
    + "same --port, and this page goes on.";
  const FAILED = "That could not be answered: the terminal of climber dashboard says why. Choose "
    + "something else, or load this page again.";
  function lost(words, instead) {
    const place = document.getElementById("lost");
    if (place && (instead === undefined || place.textContent === instead)) {
      place.textContent = words;
    }
  }
  const ask = window.fetch;
  window.fetch = function () {
    return ask.apply(window, arguments).then(function (answer) {
      if (answer.status >= 500) { lost(FAILED); } else { lost("", ENDED); }
      return answer;
    }, function (error) {
      lost(ENDED);
      throw error;
    });
  };

  function picture(format) {
    const plot = document.querySelector("#figure .js-plotly-plot");
    if (!plot || !window.Plotly) { return; }
    const name = (plot.layout.meta && plot.layout.meta.name) || "figure";
    window.Plotly.downloadImage(plot, {
      format: format, filename: name, width: plot.clientWidth, height: plot.clientHeight,
      scale: format === "png" ? 2 : 1,
    });
  }

  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    explorer: {
      theme: function (clicks) {
        if (clicks) {
          const next = theme() === "dark" ? "light" : "dark";
          try { window.localStorage.setItem("climber-theme", next); } catch (error) { /* forbidden */ }
          document.documentElement.dataset.theme = next;
        }
        const now = document.documentElement.dataset.theme;
        return [now, now === "dark" ? "true" : "false"];
      },
      // The selects' options have been set by the same answer, and stand after this turn.
      sync: function (form) {
        window.setTimeout(function () {
          document.querySelectorAll("select[data-choice]").forEach(function (select) {
            const value = (form || {})[select.dataset.choice];
            if (value !== undefined && select.value !== value) { select.value = value; }
          });
          document.querySelectorAll("[data-labelled] input").forEach(function (input) {
            input.setAttribute("aria-label", input.closest("[data-labelled]").dataset.labelled);
          });
        }, 0);
        return window.dash_clientside.no_update;
      },
      narrow: function () {
        if (window.innerWidth < 800) {
          const panel = document.getElementById("panel");
          if (panel) { panel.open = false; }
        }
        return window.dash_clientside.no_update;
      },
      svg: function (clicks) { if (clicks) { picture("svg"); } return window.dash_clientside.no_update; },
      png: function (clicks) { if (clicks) { picture("png"); } return window.dash_clientside.no_update; },
    },
  });
}());
