"""How well she does, on public test sets and on utterances written for it: sets, metrics, suites, reports."""
