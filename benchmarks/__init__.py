"""What hobgoblin costs, next to a bare asyncio program that moves the same frames.

``.venv/bin/python benchmarks`` (or ``make bench``) measures everything and prints one table.

A benchmark is one module: `ROWS` says what it measures, `run` measures it once and returns an
`Outcome`. A contender (``ours``, ``raw_echo``) is one module too: what serves in a process of its
own, and what connects to it. Every run of a benchmark is a fresh process with fresh servers, and
measures ours and the baseline one right after the other; a ratio never mixes two runs.
"""
