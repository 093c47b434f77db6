"""The report's page: one HTML file without scripts, fonts or links to anywhere."""

from __future__ import annotations

TEMPLATE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{{ title }}</title>
<style>
:root { --ink: #1b1f24; --muted: #57606b; --line: #d5dae0; --paper: #ffffff; --soft: #f5f7f9;
        --good: #00664b; --open: #8a4b00; }
@media screen and (prefers-color-scheme: dark) {
  :root { --ink: #e4e8ec; --muted: #9aa4af; --line: #333b44; --paper: #12161b; --soft: #1a2027;
          --good: #5fd0aa; --open: #f0b265; }
  /* Inverts lightness and keeps the hue, so the same figure reads on a dark page. */
  figure svg { filter: invert(1) hue-rotate(180deg); }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 60rem; background: var(--paper);
       color: var(--ink); font: 16px/1.55 system-ui, "Segoe UI", Roboto, sans-serif;
       overflow-wrap: break-word; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.4rem 0 .6rem; }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; }
p { margin: .5rem 0; }
.muted, figcaption, .note { color: var(--muted); }
.note, figcaption { font-size: .9rem; }
.verdict { margin: 1.25rem 0; padding: 1rem 1.25rem; background: var(--soft);
           border-left: .3rem solid var(--open); overflow-wrap: anywhere; }
.verdict.decided { border-color: var(--good); }
.verdict b { color: var(--open); } .verdict.decided b { color: var(--good); }
.verdict p:first-child { font-size: 1.1rem; margin-top: 0; }
.verdict p:last-child { margin-bottom: 0; }
figure { margin: 1.25rem 0; } figure svg { display: block; width: 100%; height: auto; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem;
        font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .35rem .9rem .35rem 0; vertical-align: top;
         border-bottom: 1px solid var(--line); }
th { font-weight: 600; color: var(--muted); }
td:first-child { overflow-wrap: anywhere; min-width: 7rem; }
pre { background: var(--soft); padding: .75rem 1rem; overflow-x: auto; white-space: pre-wrap;
      overflow-wrap: anywhere; font-size: .9rem; }
ul { padding-left: 1.2rem; }
a { color: inherit; }
nav ul { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; list-style: none; padding: 0;
         font-size: .9rem; }
:focus-visible { outline: .15rem solid var(--open); outline-offset: .15rem; }
@media print {
  body { max-width: none; padding: 0; font-size: 10.5pt; }
  figure, table, .verdict, pre { break-inside: avoid; }
  h2 { break-after: avoid; }
  .wide { overflow: visible; }
  nav { display: none; }
}
</style>
</head>
<body>
<header>
<h1>{{ title }}</h1>
<p class="muted">{{ subtitle }}</p>
</header>
<main>
{% for verdict in verdicts %}
<section class="verdict{{ ' decided' if verdict.decided }}">
<p><b>{{ verdict.head }}</b></p>
{% if verdict.text %}<p>{{ verdict.text }}</p>{% endif %}
{% for text in verdict.further %}<p class="note">{{ text }}</p>{% endfor %}
</section>
{% endfor %}
<nav aria-label="Contents"><ul>
{% for id, name in contents %}<li><a href="#{{ id }}">{{ name }}</a></li>
{% endfor %}
</ul></nav>
<h2 id="figures">Figures</h2>
{% for figure in figures %}
<figure>
{{ figure.svg }}
</figure>
{% endfor %}
{% for text in skipped %}<p class="note">{{ text }}</p>{% endfor %}

{% if warnings %}
<h2 id="warnings">Warnings</h2>
<ul>{% for text in warnings %}<li>{{ text }}</li>{% endfor %}</ul>
{% endif %}

<h2 id="laws">Fitted laws</h2>
<p class="note">{{ fitted }}</p>
{{ table(fits, 'fitted laws') }}
{% if offsets %}
<h2 id="floor">Known floor and fitted offset</h2>
<p class="note">{{ offsets_note }}</p>
{{ table(offsets, 'floors and offsets') }}
{% endif %}

{% if trusted %}
<h2 id="trust">How far to trust this</h2>
{% for part in trusted %}
<h3>{{ part.title }}</h3>
<p class="note">{{ part.text }}</p>
{% if part.table %}{{ table(part.table, part.title) }}{% endif %}
{% endfor %}
{% endif %}

{% if references %}
<h2 id="references">References</h2>
<p class="note">{{ references_note }}</p>
{{ table(references, 'references') }}
{% endif %}

{% if data %}
<h2 id="data">The data</h2>
{% for one in data %}
<h3>{{ one.title }}</h3>
{% for text in one.notes %}<p class="note">{{ text }}</p>{% endfor %}
{% if one.table %}{{ table(one.table, one.title) }}{% endif %}
{% for figure in one.figures %}
<figure>
{{ figure.svg }}
</figure>
{% endfor %}
{% endfor %}
{% endif %}

<h2 id="runs">Runs</h2>
{{ table(counts, 'runs by group') }}
{% if excluded %}
<p>{{ excluded_note }}</p>
{{ table(excluded, 'runs that were left out') }}
{% else %}
<p class="note">No run was left out.</p>
{% endif %}

<h2 id="method">How this was counted and fitted</h2>
<ul class="note">{% for text in method %}<li>{{ text }}</li>{% endfor %}</ul>
{{ table(checklist, 'checklist') }}
{% if facts %}{{ table(facts, 'further facts') }}{% endif %}
{% if command %}
<h2 id="again">Make this page again</h2>
<pre>{{ command }}</pre>
{% endif %}
</main>
</body>
</html>
"""

TABLE = """\
<div class="wide" role="region" aria-label="Table: {{ name }}" tabindex="0"><table>
<thead><tr>{% for cell in head %}<th scope="col">{{ cell|cell }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in rows %}<tr>{% for cell in row %}<td>{{ cell|cell }}</td>{% endfor %}</tr>
{% endfor %}</tbody>
</table></div>
"""
