# Draws the rates of the bench as an SVG of grouped bars. Input: a line `# TITLE`, then lines of CONNECTIONS NAME RATE, in
# the order in which they are drawn.
/^#/ { title = substr($0, 3); next }
{
  if (!($1 in groups)) { groups[$1]; order[++count] = $1 }
  if (!($2 in index_of)) { index_of[$2] = ++names; name_of[names] = $2 }
  rate[$1, $2] = $3
  if ($3 > most) most = $3
}
END {
  label["none"] = "web-app, sync=none"; label["always"] = "web-app, sync=always (durable)"
  label["ceiling"] = "epoll, recv, send: the ceiling"
  split("#9aa0a6 #4e79a7 #2a9d8f #1b6e64 #e07a3f", colour, " ")
  width = 760; height = 330; left = 70; top = 58; bottom = 52; plot = height - top - bottom
  step = most > 40000 ? 20000 : most > 8000 ? 5000 : 1000
  limit = (int(most / step) + 1) * step
  group = (width - left - 10) / count; bar = group * 0.8 / names
  printf "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"12\" role=\"img\">\n", width, height
  print "<title>Requests per second by the number of connections</title>"
  print "<style>text{fill:#333}.l{stroke:#ccc}@media(prefers-color-scheme:dark){text{fill:#ddd}.l{stroke:#555}}</style>"
  printf "<text x=\"%d\" y=\"16\">requests/s, a log line each; %s</text>\n", left, title
  x = left
  for (i = 1; i <= names; i++) {
    text = name_of[i] in label ? label[name_of[i]] : name_of[i]
    printf "<rect x=\"%d\" y=\"27\" width=\"11\" height=\"11\" fill=\"%s\"/><text x=\"%d\" y=\"37\">%s</text>\n", x, colour[i], x + 15, text
    x += 28 + 6.2 * length(text)
  }
  for (y = 0; y <= limit; y += step) {
    at = top + plot - plot * y / limit
    printf "<line class=\"l\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/><text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%d</text>\n", left, width, at, at, left - 6, at + 4, y
  }
  for (g = 1; g <= count; g++) {
    for (i = 1; i <= names; i++) {
      tall = plot * rate[order[g], name_of[i]] / limit
      printf "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\"><title>%s: %d</title></rect>\n", left + (g - 1) * group + group * 0.1 + (i - 1) * bar, top + plot - tall, bar - 1, tall, colour[i], name_of[i], rate[order[g], name_of[i]]
    }
    printf "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", left + (g - 0.5) * group, height - bottom + 18, order[g]
  }
  printf "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">connections</text>\n</svg>\n", (width + left) / 2, height - 12
}
