"""What hobgoblin costs, next to raw frames over the same sockets and to others that do the same work.

``.venv/bin/python benchmarks`` (or ``make bench``) measures everything in short and prints tables; the
results of the whole, ``make bench-all``, are in ``docs/performance.md``.

- `benchmarks.peers` and ``node`` are who takes part; `benchmarks.contenders` lists them.
- A contender has a serving and a calling process (`benchmarks.serve`, `benchmarks.play`). They all stay
  up for a round and take turns (`benchmarks.fleet`), in what `benchmarks.measures` lists.
- What is measured of ours alone runs in a process of its own (`benchmarks.alone`).
- `benchmarks.conduct` runs the rounds; `benchmarks.targets` says what is aimed at; `benchmarks.report`,
  `benchmarks.plot` and `benchmarks.page` show what came of it.
"""
