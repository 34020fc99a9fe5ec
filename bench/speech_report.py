"""The figures of compare_speech.py as a text table and as one HTML page with bar charts (no outside resources)."""
import html

OURS, PEER = "tessera", "peer"


def cell(row, key, form):
    return form.format(row[key]) if row.get(key) is not None else "-"


COLUMNS = (
    ("speed x", "speed", "{:.1f}"), ("with start x", "speed_with_start", "{:.1f}"), ("WER %", "wer", "{:.2f}"),
    ("vs oracle %", "oracle_wer", "{:.2f}"), ("peak MiB", "peak_mib", "{:.0f}"), ("load s", "load_seconds", "{:.2f}"))


def table(report):
    """Text for a terminal: a row per engine, then ours against its counterpart."""
    lines = [f"{report['machine']['cpu']}, {report['threads']} threads; {report['model']}; {report['recordings']} recordings, "
             f"{report['audio_seconds'] / 60:.1f} minutes; {report['rounds']} rounds, median", "",
             f"{'engine':28}" + "".join(f"{title:>14}" for title, _, _ in COLUMNS)]
    for row in report["rows"]:
        if "speed" not in row:
            lines.append(f"{row['engine']:28}  failed: {row['error']}")
            continue
        lines.append(f"{row['engine']:28}" + "".join(f"{cell(row, key, form):>14}" for _, key, form in COLUMNS))
    if report["pairs"]:
        lines += ["", "speed of ours over the peer's, round by round (median; least to most)"]
        lines += [f"{p['ours']:22} / {p['peer']:28} {p['ratio']:.2f}  ({min(p['ratios']):.2f} to {max(p['ratios']):.2f})"
                  for p in report["pairs"]]
    return "\n".join(lines)


STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --dim: #59636e; --page: #fff; --line: #d8dee4; --ours: #0b7285; --peer: #adb5bd; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --dim: #9aa4ae; --page: #12161b; --line: #2d343c; --ours: #3bc9db; --peer: #5c6670; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page); max-width: 860px; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.4rem; margin-bottom: .2rem; } h2 { font-size: 1.05rem; margin: 2rem 0 .3rem; }
p { color: var(--dim); margin: .2rem 0 .8rem; }
svg { display: block; width: 100%; height: auto; } svg text { font: 13px system-ui, sans-serif; fill: var(--ink); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; width: 100%; }
th, td { text-align: right; padding: .25rem .6rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
.tessera { fill: var(--ours); } .peer { fill: var(--peer); } .whisker { stroke: var(--ink); stroke-width: 1.5; }
"""


def bars(rows, key, form, spread=None, descending=True):
    """Horizontal bars of row[key], the best first; `spread` names a list whose range is drawn as a whisker."""
    rows = sorted((r for r in rows if r.get(key) is not None), key=lambda r: r[key], reverse=descending)
    if not rows:
        return "<p>No engine finished.</p>"
    name_width, bar_width, height = 230, 520, 26
    most = max(max(r[spread]) if spread else r[key] for r in rows) or 1.0
    parts = []
    for i, row in enumerate(rows):
        y, width = i * height, bar_width * row[key] / most
        kind = OURS if row["engine"].startswith(OURS) else PEER
        end = width
        parts.append(f'<text x="{name_width - 8}" y="{y + 17}" text-anchor="end">{html.escape(row["engine"])}</text>'
                     f'<rect class="{kind}" x="{name_width}" y="{y + 4}" width="{width:.1f}" height="{height - 8}" rx="2"/>')
        if spread and len(row[spread]) > 1:
            low, high = (name_width + bar_width * f(row[spread]) / most for f in (min, max))
            end = max(end, high - name_width)
            parts.append(f'<line class="whisker" x1="{low:.1f}" x2="{high:.1f}" y1="{y + height / 2}" y2="{y + height / 2}"/>')
        parts.append(f'<text x="{name_width + end + 6:.1f}" y="{y + 17}">{form.format(row[key])}</text>')
    return (f'<svg viewBox="0 0 {name_width + bar_width + 80} {len(rows) * height}" role="img">' + "".join(parts) + "</svg>")


def page(report):
    """A self-contained HTML page."""
    rows = report["rows"]
    head = "".join(f"<th>{html.escape(title)}</th>" for title in ("engine", *(t for t, _, _ in COLUMNS), "version"))
    body = "".join(
        f"<tr><td>{html.escape(r['engine'])}</td>" +
        ("".join(f"<td>{cell(r, key, form)}</td>" for _, key, form in COLUMNS) + f"<td>{html.escape(r['version'])}</td>"
         if "speed" in r else f'<td colspan="{len(COLUMNS) + 1}">{html.escape(r["error"])}</td>') + "</tr>" for r in rows)
    pairs = "".join(
        f"<tr><td>{html.escape(p['ours'])} / {html.escape(p['peer'])}</td><td>{p['ratio']:.2f}</td>"
        f"<td>{min(p['ratios']):.2f} to {max(p['ratios']):.2f}</td></tr>" for p in report["pairs"])
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Speech to text on this machine</title><style>{STYLE}</style></head><body>
<h1>Speech to text: {html.escape(report['model'])} on {html.escape(report['machine']['cpu'])}</h1>
<p>{report['recordings']} English recordings, {report['audio_seconds'] / 60:.1f} minutes; {report['threads']} threads;
{report['rounds']} rounds in turning order, median shown, range as a line. The same weights and samples for every engine.</p>
<h2>Real-time factor</h2><p>Seconds of audio per second of work, model loaded. More is better.</p>
{bars(rows, 'speed', '{:.1f}×', 'speeds')}
<h2>Word error rate, %</h2><p>Against the references, openai-whisper's normaliser. Less is better.</p>
{bars(rows, 'wer', '{:.2f}', descending=False)}
<h2>Peak memory, MiB</h2><p>Highest resident size of the engine's process. Less is better.</p>
{bars(rows, 'peak_mib', '{:.0f}', descending=False)}
<h2>Load time, s</h2><p>From the start of loading to ready. Less is better.</p>
{bars(rows, 'load_seconds', '{:.2f}', descending=False)}
<h2>All figures</h2><div class="scroll"><table><tr>{head}</tr>{body}</table></div>
<p>"with start" adds one start of the engine to one pass over the recordings; "vs oracle" is the word error rate against
openai-whisper's own output in float32 with the same search.</p>
{f'<h2>Ours over the peer, by round</h2><div class="scroll"><table><tr><th>pair</th><th>median</th><th>range</th></tr>{pairs}</table></div>' if pairs else ''}
</body></html>
"""
