"""The report: one HTML file that holds a run of the catalogue and what else is known of its strength.

``timeline`` says what was seen of a trace as places on an axis, ``traces`` compares the languages, ``clauses`` tells the text of
the specification, ``figures`` reads what other commands found, ``diagram`` draws state machines, ``page`` puts it together.
"""
