"""Every feature that `eyot export` writes, computed once more by pandas and scipy. See scripts/compare."""

import argparse
import math
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import pandas as pd
from scipy import signal, stats

FEATURES = [
    "first", "sum", "variance", "range", "peak", "crest_factor", "skewness", "kurtosis", "rate_of_change",
    "zero_crossings", "time_weighted_mean", "gap_ratio", "median", "p05", "p95", "mad", "mean_crossings", "autocorrelation_1",
    "autocorrelation_3", "ewma_0.2", "dominant_frequency", "spectral_centroid", "spectral_entropy", "band_energy_0.1_0.3",
]
# Channels are exported as each of these, so that every feature there is has a value; with what they have beyond.
KINDS = {"gauge": FEATURES, "counter": ["increase", "rate", "resets"], "angle": ["circular_mean", "circular_dispersion"]}
EVERY = 1.0  # seconds; twice as long is a gap
WINDOWS = {"tumbling 10 s": (10, 10), "tumbling 60 s": (60, 60), "hopping 30 s every 10 s": (30, 10)}
CONFIG = """
[agent]
name = "compare"
data_dir = "data"

[[source]]
name = "rig"
url = "mqtt://127.0.0.1"

[[source.rule]]
name = "row"
topic = "skab/{{device}}"
decoder = "json"
time = "ts"
time_format = "unix_ms"
leaves = {{}}

[[class]]
name = "rig"
devices = ["*"]
window = {window}
features = [{features}]
report = {{ every = "1s" }}

{channels}
"""


def crossings(values):
    """Changes of sign, zeros passed over."""
    signs = np.sign(values)
    signs = signs[signs != 0]
    return float((signs[1:] != signs[:-1]).sum())


def autocorrelation(x, lag):
    d = x - x.mean()
    if len(x) <= lag or len(x) < 2 or not np.ptp(x) > 0:
        return None
    return (d[: len(d) - lag] * d[lag:]).sum() / (d * d).sum()


def spectrum(t, x):
    """Power at each frequency of the newest power of two of readings, or nothing if they are not evenly spaced."""
    n = 1 << (len(x).bit_length() - 1)
    if n < 8:
        return None
    t, x = t[-n:], x[-n:]
    steps = np.diff(t)
    mean = (t[-1] - t[0]) / (n - 1)
    if mean <= 0 or (abs(steps - mean) > 0.1 * mean).any():
        return None
    rate = 1 / mean
    window = signal.windows.hann(n, sym=False)
    frequencies, density = signal.periodogram(x, fs=rate, window=window, detrend="constant", scaling="density")
    return frequencies, density * (rate / n), rate


def undecided(found):
    """Whether rounding decides which bin is the highest, or what is left of a neighbour that should be nothing."""
    if found is None:
        return False
    power = found[1]
    second, first = np.sort(power[1:])[-2:]
    k = 1 + int(np.argmax(power[1:]))
    beside = power[k - 1 : k + 2]
    return second > first * (1 - 1e-9) or (beside < first * 1e-20).any()


def dominant(frequencies, power, rate, n):
    if not power[1:].sum() > 0:
        return None
    k = 1 + int(np.argmax(power[1:]))
    if k + 1 >= len(power) or not 0 < power[k - 1] <= power[k] or not power[k + 1] > 0:
        return frequencies[k]
    a, b, c = np.log(power[k - 1 : k + 2])
    bend = a - 2 * b + c
    return frequencies[k] + (0.5 * (a - c) / bend if bend < 0 else 0.0) * rate / n


def of_kind(kind, t, x):
    """What channels of that kind have beyond others."""
    if kind == "counter":
        steps = np.diff(x)
        increase = np.where(steps < 0, x[1:], steps).sum()
        return {
            "increase": increase,
            "rate": increase / (t[-1] - t[0]) if t[-1] > t[0] else None,
            "resets": float((steps < 0).sum()),
        }
    if kind == "angle":
        return {"circular_mean": stats.circmean(x, high=360.0), "circular_dispersion": stats.circvar(x, high=360.0)}
    return {}


def gap_ratio(t, start, end):
    intervals = np.diff(np.concatenate([[start], t, [end]]))
    return intervals[intervals > 2 * EVERY].sum() / (end - start)


def features(t, x, end):
    """What the table should have: t in seconds, increasing."""
    n = len(x)
    mean, some = x.mean(), t[-1] > t[0]
    d = x - mean
    rms = math.sqrt((x * x).mean())
    slope = stats.linregress(t - t[0], x).slope if some else 0.0
    residual = d - slope * (t - t.mean())
    last = np.append(t[1:], end) - t
    series = pd.Series(x)
    out = {
        "count": float(n),
        "mean": series.mean(),
        "std": series.std() if n > 1 else 0.0,
        "detrended_std": math.sqrt((residual * residual).sum() / (n - 2)) if n > 2 else 0.0,
        "min": series.min(),
        "max": series.max(),
        "rms": rms,
        "slope": slope,
        "last": x[-1],
        "first": x[0],
        "sum": series.sum(),
        "variance": series.var() if n > 1 else None,
        "range": series.max() - series.min(),
        "peak": abs(x).max(),
        "crest_factor": abs(x).max() / rms if rms > 0 else None,
        "skewness": float(stats.skew(x)) if n > 2 and np.ptp(x) > 0 else None,
        "kurtosis": float(stats.kurtosis(x)) if n > 3 and np.ptp(x) > 0 else None,
        "rate_of_change": (x[-1] - x[0]) / (t[-1] - t[0]) if some else None,
        "zero_crossings": crossings(x),
        "time_weighted_mean": (x * last).sum() / (end - t[0]),
        "median": series.median(),
        "p05": series.quantile(0.05),
        "p95": series.quantile(0.95),
        "mad": (series - series.median()).abs().median(),
        "mean_crossings": crossings(d) if np.ptp(x) > 0 else 0.0,
        "autocorrelation_1": autocorrelation(x, 1),
        "autocorrelation_3": autocorrelation(x, 3),
        "ewma_0.2": series.ewm(alpha=0.2, adjust=False).mean().iloc[-1],
    }
    found = spectrum(t, x)
    if found is None:
        names = ["dominant_frequency", "spectral_centroid", "spectral_entropy", "band_energy_0.1_0.3"]
        return out | dict.fromkeys(names)
    frequencies, power, rate = found
    total, m = power[1:].sum(), 2 * (len(power) - 1)
    p = power[1:] / total if total > 0 else None
    out["band_energy_0.1_0.3"] = power[(frequencies >= 0.1) & (frequencies < 0.3)].sum()
    out["dominant_frequency"] = dominant(frequencies, power, rate, m)
    out["spectral_centroid"] = (frequencies[1:] * p).sum() if total > 0 else None
    out["spectral_entropy"] = stats.entropy(p) / math.log(len(p)) if total > 0 else None
    return out


def scale(name, x):
    """What errors are relative to where the feature itself is small: the size of what it is computed from."""
    size = abs(x).max()
    if name == "gap_ratio" or name == "circular_dispersion":
        return 1.0
    if name in ("increase", "rate"):
        return abs(x).sum()
    if name in ("variance", "band_energy_0.1_0.3"):
        return size * size
    if name in ("skewness", "kurtosis", "crest_factor", "spectral_entropy") or name.startswith("autocorrelation"):
        # Deviations have lost as many digits as the level is above them.
        return max(1.0, size / max(x.std(), 1e-300))
    if name in ("dominant_frequency", "spectral_centroid"):
        return max(1.0, size / max(x.std(), 1e-300))
    return size


class Comparison:
    def __init__(self):
        self.worst = {}
        self.values = 0
        self.undecided = 0
        self.wrong = []

    def value(self, place, name, ours, theirs, t, x):
        self.values += 1
        if name == "dominant_frequency" and undecided(spectrum(t, x)):
            self.undecided += 1
            return
        if name == "mean_crossings" and (abs(x - x.mean()) < 1e-12 * abs(x).max()).any():
            # Rounding decides on which side of the mean a reading lies.
            self.undecided += 1
            return
        theirs = None if theirs is None or not math.isfinite(theirs) else float(theirs)
        ours = None if pd.isna(ours) else float(ours)
        if (ours is None) != (theirs is None):
            self.wrong.append(f"{place} {name}: {ours} here, {theirs} there")
            return
        if ours is None:
            return
        error = abs(ours - theirs)
        if name == "circular_mean":
            error = min(error, 360.0 - error)
        if error > 0:
            error /= max(abs(theirs), scale(name, x))
        if error > self.worst.get(name, (-1.0, ""))[0]:
            self.worst[name] = (error, place)


def export(eyot, config, run, out):
    columns = pd.read_csv(run, sep=";", nrows=0).columns
    labels = [name for name in ("anomaly", "changepoint") if name in columns]
    exclude = ["--exclude", ",".join(labels)] if labels else []
    command = [eyot, "export", run, "--config", config, "--device", "rig", "--delimiter", ";", *exclude, "--out", out, "--force"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "EYOT_LOG": "warn"})


def compare(eyot, folder, run, lengths, kind, comparison):
    length, hop = lengths
    window = f'"{length}s"' if hop == length else f'{{ length = "{length}s", hop = "{hop}s" }}'
    config = folder / "eyot.toml"
    data = pd.read_csv(run, sep=";", parse_dates=["datetime"]).drop(columns=["anomaly", "changepoint"], errors="ignore")
    listed = "\n".join(f'[class.channels."{channel}"]\nkind = "{kind}"' for channel in data.columns[1:])
    asked = ", ".join(f'"{f}"' for f in KINDS[kind])
    config.write_text(CONFIG.format(window=window, features=asked, channels=listed))
    export(eyot, config, run, folder / "out.csv")
    export(eyot, config, run, folder / "out.parquet")
    ours = pd.read_csv(folder / "out.csv", parse_dates=["event_timestamp", "created_timestamp", "window_start"])
    parquet = pd.read_parquet(folder / "out.parquet")
    for name in ours.columns:
        a, b = ours[name], parquet[name]
        same = (a == b) | (a.isna() & b.isna())
        assert same.all(), f"CSV and Parquet differ in {name}"
    times = data["datetime"].astype("datetime64[ns]").astype("int64").to_numpy() / 1e9
    starts = ours["window_start"].astype("datetime64[ns, UTC]").astype("int64").to_numpy() // 10**9
    assert len(set(starts)) == len(starts), "a window is there twice"
    for start, (_, row) in zip(starts, ours.iterrows()):
        assert start % hop == 0 and row["event_timestamp"].timestamp() == start + length
        for channel in data.columns[1:]:
            values = data[channel].to_numpy(dtype=float)
            if kind == "counter" and np.nanmin(values) < 0:
                # What counts is never below 0.
                continue
            within = (times >= start) & (times < start + length) & np.isfinite(values)
            frame = pd.DataFrame({"t": times[within], "x": values[within]}).drop_duplicates().sort_values(["t", "x"])
            t, x = frame["t"].to_numpy(), frame["x"].to_numpy()
            place = f"{run.name} {start} {channel}"
            if len(x) == 0:
                assert pd.isna(row.get(f"{channel}__count")), f"{place}: a window without readings"
                continue
            wanted = of_kind(kind, t, x)
            if kind == "gauge":
                wanted = features(t, x, start + length) | {"gap_ratio": gap_ratio(t, start, start + length)}
            for name, theirs in wanted.items():
                comparison.value(place, name, row[f"{channel}__{name}"], theirs, t, x)
    # None that holds anything is missing, but for overlapping ones at both ends, which an agent closes with the next reading.
    first, last = times.min(), times.max()
    expected = {start for start in range(int(first // hop - length // hop) * hop, int(last) + 1, hop)
                if ((times >= start) & (times < start + length)).any()}
    missing = expected - set(starts)
    assert all(start + length > last - 2 for start in missing), f"{run}: windows are missing: {sorted(missing)}"
    return len(starts)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("eyot")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--limit", type=float, default=1e-9)
    args = parser.parse_args()
    runs = sorted(args.folder.rglob("*.csv"))
    if not runs:
        sys.exit(f"no recording below {args.folder}")
    ok = True
    for name, lengths in WINDOWS.items():
        comparison, windows = Comparison(), 0
        with tempfile.TemporaryDirectory() as folder:
            for run in runs:
                for kind in KINDS:
                    found = compare(args.eyot, pathlib.Path(folder), run, lengths, kind, comparison)
                windows += found
        print(f"\n{name}: {len(runs)} recordings, {windows} windows, {comparison.values} values, {comparison.undecided} of them undecided")
        for feature, (error, place) in sorted(comparison.worst.items(), key=lambda item: -item[1][0]):
            mark = "" if error <= args.limit else f"  <- above {args.limit}: {place}"
            print(f"  {feature:24}{error:10.1e}{mark}")
            ok &= error <= args.limit
        for wrong in comparison.wrong[:10]:
            print(f"  {wrong}")
        ok &= not comparison.wrong
    sys.exit(0 if ok else 1)


if __name__ == "__main__":
    main()
