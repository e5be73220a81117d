#!/usr/bin/env python3
"""The batch job beside Polars and DuckDB, as whole processes in turn: how long, as ratios, and how much memory.

The others only count unique customers a month; ours checks every row, computes all tables and writes them.
All must come to the same months, or the benchmark fails. Machines are noisy, so what counts are the ratios of
one run: each round runs everything once, one after the other. Where other work takes the cores, the best round
and the seconds of CPU say more than the median.

  ROUNDS=7      rounds                     COPIES=20   files of the larger input, 0: none
  INPUT=FILE    a CSV of your own          PYSPARK=1   PySpark too, once (needs a JDK 17)
"""

import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).parent
WORK = pathlib.Path(".arus/bench-etl")
REAL = pathlib.Path("../shared/data/online-retail-dataset.csv.zst")
PROGRAM = pathlib.Path(os.environ["RETAIL_ETL_BIN"])
ROUNDS = int(os.environ.get("ROUNDS") or 7)
COPIES = int(os.environ.get("COPIES") or 20)
PYSPARK = os.environ.get("PYSPARK", "") not in ("", "0")
# Rows of the generated input, about as many as the real one has.
GENERATED_ROWS = 540_000


def fail(sentence):
    sys.exit(f"bench-etl: {sentence}")


def environment():
    """A Python with the others in it, made once and anew when the requirements change."""
    files = [HERE / "requirements.txt"] + ([HERE / "requirements-pyspark.txt"] if PYSPARK else [])
    wanted = "".join(file.read_text() for file in files)
    folder, stamp = WORK / "venv", WORK / "venv/requirements"
    python = folder / "bin/python"
    if not stamp.exists() or stamp.read_text() != wanted:
        print("bench-etl: installing the others from PyPI", file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        for file in files:
            install += ["-r", file]
        if subprocess.run(install).returncode != 0:
            fail("the others cannot be installed: is PyPI within reach?")
        stamp.write_text(wanted)
    return python


def plain_input(python):
    """The input as a plain CSV file, which all read best."""
    plain = WORK / "input.csv"
    plain.unlink(missing_ok=True)
    if given := os.environ.get("INPUT"):
        source = pathlib.Path(given)
        if not source.is_file():
            fail(f"there is no file {source}: INPUT takes one CSV file, plain or packed with zstd")
    elif REAL.is_file():
        source = REAL
    else:
        subprocess.run(
            [PROGRAM, "generate", "--rows", str(GENERATED_ROWS), "--out", plain, "--replace"],
            check=True, stdout=subprocess.DEVNULL,
        )
        return plain, "generated"
    if source.suffix == ".zst":
        code = "import sys, zstandard; zstandard.ZstdDecompressor().copy_stream(open(sys.argv[1], 'rb'), open(sys.argv[2], 'wb'))"
        subprocess.run([python, "-c", code, source, plain], check=True)
    else:
        shutil.copyfile(source, plain)
    return plain, str(source)


def copies(plain):
    folder = WORK / "copies"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for number in range(COPIES):
        shutil.copyfile(plain, folder / f"{number:02}.csv")
    return folder


def measure(command):
    """Seconds, seconds of CPU, peak memory in bytes, and what was printed."""
    output = WORK / "output.txt"
    with open(output, "wb") as out, open(WORK / "errors.txt", "wb") as errors:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        took = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        words = " ".join(str(word) for word in command)
        fail(f"this failed: {words}\n{(WORK / 'errors.txt').read_text()}")
    # PySpark tells how much its JVM took.
    told = re.search(r"peak kB (\d+)", (WORK / "errors.txt").read_text())
    peak = max(usage.ru_maxrss, int(told.group(1)) if told else 0) * 1024
    return took, usage.ru_utime + usage.ru_stime, peak, output.read_text()


def ours(where):
    """Our two commands: everything, and the tables only, to CSV; and where the results of the first are."""
    results = WORK / "results"
    database = f"sqlite://{(WORK / 'bench.db').resolve()}"
    whole = [PROGRAM, "run", where, "--force", "--output", results, "--database-url", database]
    tables = [PROGRAM, "run", where, "--force", "--sink", "csv", "--output", WORK / "tables",
              "--database-url", database]
    return whole, tables, results


def compare(title, where, pattern, python, rounds, with_pyspark):
    whole, tables, results = ours(where)
    rivals = {
        "Polars: months": [python, HERE / "polars_months.py", pattern],
        "DuckDB: months": [python, HERE / "duckdb_months.py", pattern],
    }
    programs = {"retail-etl: tables, CSV": tables, "retail-etl: whole job": whole, **rivals}
    # First all once, unmeasured: files come into memory, and the months are compared.
    measure(whole)
    expected = (results / "monthly_customers.csv").read_text().split("\n", 1)[1].strip()
    for name, command in rivals.items():
        found = measure(command)[3].strip()
        if found != expected:
            fail(f"{name} and retail-etl differ:\n{found}\n\n{expected}")
    measure(tables)
    measured = {name: [] for name in programs}
    for _ in range(rounds):
        for name, command in programs.items():
            measured[name].append(measure(command)[:3])
    if with_pyspark:
        *figures, found = measure([python, HERE / "pyspark_months.py", pattern])
        if found.strip() != expected:
            fail(f"PySpark and retail-etl differ:\n{found}\n\n{expected}")
        measured["PySpark: months"] = [figures]
    show(title, measured)


def show(title, measured):
    """A line for each program: seconds and, beside them, how many times those of Polars they are."""
    print(f"\n{title}")
    print(f"{'':24}{'best':>18}{'median':>18}{'CPU, best':>18}{'peak memory':>14}")
    base = None
    for name in sorted(measured, key=lambda name: not name.startswith("Polars")):
        took, cpu, peak = zip(*measured[name])
        figures = [min(took), statistics.median(took), min(cpu)]
        base = base or figures
        shown = "".join(f"{one:9.3f}s {one / other:6.2f}×" for one, other in zip(figures, base))
        # What PySpark computes with is a JVM, whose CPU cannot be seen from here.
        print(f"{name:24}{shown}{max(peak) / 1e6:11.0f} MB")


def main():
    WORK.mkdir(parents=True, exist_ok=True)
    python = environment()
    plain, source = plain_input(python)
    size = plain.stat().st_size / 1e6
    title = f"One file of {size:.1f} MB ({source}), {ROUNDS} rounds"
    compare(title, plain, plain, python, ROUNDS, PYSPARK)
    if COPIES:
        folder = copies(plain)
        rounds = max(3, ROUNDS // 2)
        title = f"{COPIES} files like it, {rounds} rounds"
        compare(title, folder, folder / "*.csv", python, rounds, False)
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
