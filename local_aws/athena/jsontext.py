"""How the numbers of a JSON text keep their own text in DuckDB, which writes them anew (1.50 as 1.5, 1e3 as 1000.0).

``regexp_replace(text || ' ', NUMBERS, QUOTED, 'g')`` makes each number a string, and leaves four characters more at
the end than ``text`` has: the blank and an empty string behind it.
"""

#: What comes before a number (strings, and what is neither string nor number), and the number or the end.
NUMBERS = r'((?:"(?:[^"\\]|\\.)*"|[^"0-9-])*)(-?[0-9][0-9.eE+-]*|$)'
QUOTED = r'\1"\2"'
