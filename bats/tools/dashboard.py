#!/usr/bin/env python3
"""Ask a Prometheus for every expression of a dashboard, as Grafana would.

    dashboard.py FILE --prometheus URL --since UNIX-TIME [--scrape-interval SECONDS]

Takes the values of the dashboard's variables from Prometheus. Then it evaluates each expression twice, with all values of the
variables and with one pod alone: an instant query now, any other over the time from SINCE until now. Prints a line for each
expression, and a complaint if it has no data or a number that is not finite, or if its legend names a label that the data lacks.
An expression whose legend names the pod must have data of each selected pod. Exits with 1 if it had to complain.
"""

import argparse
import json
import math
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

PATIENCE_SECONDS = 20


class Prometheus:
    def __init__(self, url):
        self.url = url

    def get(self, path, **parameters):
        query = urllib.parse.urlencode(parameters)
        try:
            with urllib.request.urlopen("%s/api/v1/%s?%s" % (self.url, path, query), timeout=PATIENCE_SECONDS) as response:
                return json.load(response)["data"]
        except urllib.error.HTTPError as error:
            raise ValueError(json.load(error)["error"]) from error


def quoted(value):
    """A value inside of a regular expression inside of a string of PromQL."""
    return re.sub(r"([\\^$.*+?()\[\]{}|])", r"\\\\\1", value)


def alternatives(values):
    return quoted(values[0]) if len(values) == 1 else "(%s)" % "|".join(map(quoted, values))


def substituted(text, variables):
    """The text with its variables: $NAME, ${NAME} and ${NAME:FORMAT}. An unknown one is an error."""
    return re.sub(r"\$(?:(\w+)|\{(\w+)(?::\w+)?\})", lambda match: variables[match[1] or match[2]], text)


def duration(seconds):
    return "%ds" % seconds


class Board:
    def __init__(self, board, prometheus, since, scrape_interval):
        self.board, self.prometheus = board, prometheus
        self.since, self.until = since, time.time()
        # As Grafana computes them from the width of a panel of 1000 points.
        self.step = max(scrape_interval, math.ceil((self.until - since) / 1000))
        self.start = self.until - (self.until - since) // self.step * self.step
        self.builtin = {
            "__interval": duration(self.step),
            "__rate_interval": duration(max(self.step + scrape_interval, 4 * scrape_interval)),
            "__range": duration(math.ceil(self.until - since)),
        }
        self.faults = 0

    def complain(self, what):
        print("FAULT: " + what)
        self.faults += 1

    def values(self, query, variables):
        """What label_values(SELECTOR, LABEL) gives."""
        selector, label = re.fullmatch(r"label_values\((.*), *(\w+)\)", query).groups()
        found = self.prometheus.get("label/%s/values" % label, **{"match[]": substituted(selector, variables), "start": self.since, "end": self.until})
        if not found:
            self.complain("there is no value of %s" % query)
        return found

    def variables(self, chosen):
        """The text of each variable, where `chosen` has those that are not All; and the values of the last one, the pods."""
        texts, found = dict(self.builtin), []
        for variable in self.board["templating"]["list"]:
            if variable["type"] != "query":
                continue
            found = self.values(variable["query"], texts)
            if variable["name"] in chosen:
                found = [value for value in found if value in chosen[variable["name"]]]
                texts[variable["name"]] = alternatives(found)
            else:
                texts[variable["name"]] = variable.get("allValue") or alternatives(found)
        return texts, found

    def check(self, where, target, variables, pods):
        expression = substituted(target["expr"], variables)
        try:
            if target.get("instant"):
                result = self.prometheus.get("query", query=expression, time=self.until)["result"]
            else:
                result = self.prometheus.get("query_range", query=expression, start=self.start, end=self.until, step=self.step)["result"]
        except ValueError as error:
            self.complain("%s: %s: %s" % (where, error, expression))
            return
        points = [float(value) for series in result for _, value in series.get("values") or [series["value"]]]
        print("%s: %d series, %d points, the last is %s" % (where, len(result), len(points), points[-1] if points else None))
        if not points:
            self.complain("%s has no data: %s" % (where, expression))
        if not all(map(math.isfinite, points)):
            self.complain("%s is not finite: %s" % (where, expression))
        labels = re.findall(r"\{\{ *(\w+) *\}\}", target["legendFormat"])
        if not all(label in series["metric"] for series in result for label in labels):
            self.complain("%s lacks a label of its legend: %s" % (where, target["legendFormat"]))
        having = {series["metric"].get("pod") for series in result}
        if "pod" in labels and points and having != set(pods):
            self.complain("%s has data of %s, not of %s" % (where, sorted(map(str, having)), sorted(pods)))

    def check_all(self, chosen):
        variables, pods = self.variables(chosen)
        print("%d pods" % len(pods))
        for panel in self.board["panels"]:
            for target in panel.get("targets", []):
                self.check("%s/%s" % (panel["title"], target["refId"]), target, variables, pods)
        return pods


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--prometheus", required=True)
    parser.add_argument("--since", type=float, required=True)
    parser.add_argument("--scrape-interval", type=int, default=2)
    arguments = parser.parse_args()
    with open(arguments.file, encoding="utf-8") as file:
        board = Board(json.load(file), Prometheus(arguments.prometheus), arguments.since, arguments.scrape_interval)
    pods = board.check_all({})
    if pods:
        board.check_all({"pod": [pods[0]]})
    sys.exit(1 if board.faults else 0)


if __name__ == "__main__":
    main()
