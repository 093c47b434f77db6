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
       color: var(--ink); font: 16px/1.55 system-ui, "Segoe UI", Roboto, sans-serif; }
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
@media print {
  body { max-width: none; padding: 0; font-size: 10.5pt; }
  figure, table, .verdict, pre { break-inside: avoid; }
  h2 { break-after: avoid; }
  .wide { overflow: visible; }
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
{% if warnings %}
<ul>{% for text in warnings %}<li>{{ text }}</li>{% endfor %}</ul>
{% endif %}

{% for figure in figures %}
<figure role="group" aria-label="{{ figure.title }}">
{{ figure.svg }}
</figure>
{% endfor %}
{% for text in skipped %}<p class="note">{{ text }}</p>{% endfor %}

<h2>Fitted laws</h2>
<p class="note">{{ fitted }}</p>
{{ table(fits) }}
{% if offsets %}
<h2>Known floor and fitted offset</h2>
<p class="note">{{ offsets_note }}</p>
{{ table(offsets) }}
{% endif %}

{% if trusted %}
<h2>How far to trust this</h2>
{% for part in trusted %}
<h3>{{ part.title }}</h3>
<p class="note">{{ part.text }}</p>
{% if part.table %}{{ table(part.table) }}{% endif %}
{% endfor %}
{% endif %}

{% if references %}
<h2>References</h2>
<p class="note">{{ references_note }}</p>
{{ table(references) }}
{% endif %}

{% if data %}
<h2>The data</h2>
{% for one in data %}
<h3>{{ one.title }}</h3>
{% for text in one.notes %}<p class="note">{{ text }}</p>{% endfor %}
{% if one.table %}{{ table(one.table) }}{% endif %}
{% for figure in one.figures %}
<figure role="group" aria-label="{{ figure.title }}">
{{ figure.svg }}
</figure>
{% endfor %}
{% endfor %}
{% endif %}

<h2>Runs</h2>
{{ table(counts) }}
{% if excluded %}
<p>{{ excluded_note }}</p>
{{ table(excluded) }}
{% else %}
<p class="note">No run was left out.</p>
{% endif %}

<h2>How this was counted and fitted</h2>
<ul class="note">{% for text in method %}<li>{{ text }}</li>{% endfor %}</ul>
{% if facts %}{{ table(facts) }}{% endif %}
{% if command %}
<h2>Make this page again</h2>
<pre>{{ command }}</pre>
{% endif %}
</main>
</body>
</html>
"""

TABLE = """\
<div class="wide"><table>
<thead><tr>{% for cell in head %}<th scope="col">{{ cell }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</tbody>
</table></div>
"""
