//! The units themselves.
//!
//! Sizes are those of NIST Special Publication 811 (2008), appendix B, and of RFC 8428 §12.1 and RFC 8798
//! for what only SenML has. Spellings are as [`super::spelling`] leaves them: `degC` stands for `°C` too,
//! `uS/cm` for `µS/cm`, `m3/h` for `m³/h`.

/// A unit: its spellings, the SI prefixes it takes, and its size.
pub(super) struct Row {
    /// Separated by a space.
    pub(super) spellings: &'static str,
    /// Letters of [`PREFIXES`].
    pub(super) prefixes: &'static str,
    /// Size in base units: `num / den`.
    pub(super) num: f64,
    pub(super) den: f64,
    /// Where the base unit's zero is on this unit's scale.
    pub(super) zero: f64,
}

const fn unit(spellings: &'static str, prefixes: &'static str, num: f64, den: f64) -> Row {
    Row {
        spellings,
        prefixes,
        num,
        den,
        zero: 0.0,
    }
}

/// The same with a zero of its own.
const fn scale(spellings: &'static str, num: f64, den: f64, zero: f64) -> Row {
    Row {
        zero,
        ..unit(spellings, "", num, den)
    }
}

/// SI prefixes as fractions.
pub(super) const PREFIXES: &[(char, f64, f64)] = &[
    ('p', 1.0, 1e12),
    ('n', 1.0, 1e9),
    ('u', 1.0, 1e6),
    ('m', 1.0, 1e3),
    ('c', 1.0, 1e2),
    ('d', 1.0, 1e1),
    ('h', 1e2, 1.0),
    ('k', 1e3, 1.0),
    ('M', 1e6, 1.0),
    ('G', 1e9, 1.0),
    ('T', 1e12, 1.0),
];

/// Words that are understood in any case, and the units they name.
pub(super) const WORDS: &[(&str, &str)] = &[
    ("celsius", "degC"),
    ("fahrenheit", "degF"),
    ("kelvin", "K"),
    ("percent", "%"),
    ("volt", "V"),
    ("volts", "V"),
    ("ampere", "A"),
    ("amps", "A"),
    ("watt", "W"),
    ("watts", "W"),
    ("lux", "lx"),
    ("hertz", "Hz"),
    ("pascal", "Pa"),
    ("hectopascal", "hPa"),
    ("meter", "m"),
    ("metre", "m"),
    ("sec", "s"),
    ("seconds", "s"),
    ("minutes", "min"),
    ("hours", "h"),
    ("days", "d"),
    ("degrees", "deg"),
];

/// Spellings that two quantities have; the other unit of a conversion tells which is meant. `C` and
/// `F` are what thermometers send, and farad; `g` and `mg` are both masses and accelerations.
#[cfg(test)]
pub(super) const AMBIGUOUS: &[&str] = &["F", "g", "mg"];

/// Every quantity, by name, and its units: one a line, so that it reads as the table it is. Sizes of one
/// quantity are in one base unit, which is the one of size 1.
#[rustfmt::skip]
pub(super) const QUANTITIES: &[(&str, &[Row])] = &[
    ("temperature", &[
        scale("degC C Cel", 1.0, 1.0, 0.0),
        scale("degF F [degF]", 5.0, 9.0, 32.0),
        scale("K degK", 1.0, 1.0, 273.15),
    ]),
    ("ratio", &[
        unit("/ m3/m3", "", 1.0, 1.0),
        unit("% %RH %rH %rh RH% %EL %vol /100", "", 1.0, 100.0),
        unit("permille /1000", "", 1.0, 1e3),
        unit("ppm", "", 1.0, 1e6),
        unit("ppb", "", 1.0, 1e9),
    ]),
    ("energy", &[
        unit("J Ws", "kMG", 1.0, 1.0),
        unit("Wh", "mkMG", 3600.0, 1.0),
        unit("kcal", "", 4184.0, 1.0),
        unit("BTU Btu", "", 105_505.585_262, 100.0),
    ]),
    ("apparent energy", &[unit("VAh", "kMG", 1.0, 1.0)]),
    ("reactive energy", &[unit("varh", "kMG", 1.0, 1.0)]),
    ("power", &[
        unit("W J/s", "umkMG", 1.0, 1.0),
        // Of 550 ft·lbf/s, and the metric one.
        unit("hp", "", 745.699_871_582_270_2, 1.0),
        unit("PS", "", 73_549_875.0, 1e5),
        unit("BTU/h Btu/h", "", 105_505.585_262, 360_000.0),
    ]),
    ("apparent power", &[unit("VA", "mkM", 1.0, 1.0)]),
    ("reactive power", &[unit("var VAr", "mkM", 1.0, 1.0)]),
    ("voltage", &[unit("V", "numkM", 1.0, 1.0)]),
    ("current", &[unit("A", "pnumk", 1.0, 1.0)]),
    ("charge", &[
        // The coulomb has no spelling of its own here, since `C` is a temperature.
        unit("Ah", "umk", 3600.0, 1.0),
        unit("As", "m", 1.0, 1.0),
    ]),
    ("resistance", &[unit("Ohm ohm", "mkMG", 1.0, 1.0)]),
    ("capacitance", &[unit("F", "pnum", 1.0, 1.0)]),
    ("inductance", &[unit("H", "num", 1.0, 1.0)]),
    ("conductivity", &[
        unit("S/m", "num", 1.0, 1.0),
        unit("S/cm", "num", 100.0, 1.0),
    ]),
    ("frequency", &[
        unit("Hz 1/s", "mkMG", 1.0, 1.0),
        unit("rpm RPM r/min 1/min beat/min bpm", "", 1.0, 60.0),
        unit("1/h", "", 1.0, 3600.0),
    ]),
    ("pressure", &[
        unit("Pa", "mhkM", 1.0, 1.0),
        unit("bar", "mk", 1e5, 1.0),
        unit("psi PSI [psi]", "", 6_894_757_293_168.0, 1e9),
        unit("mmHg", "", 133_322_387_415.0, 1e9),
        unit("inHg", "", 3_386_389.0, 1e3),
        unit("Torr", "", 101_325.0, 760.0),
        unit("atm", "", 101_325.0, 1.0),
        unit("mmH2O", "", 980_665.0, 1e5),
        unit("cmH2O", "", 980_665.0, 1e4),
        unit("inH2O", "", 2_490_889.0, 1e4),
        unit("mH2O", "", 980_665.0, 100.0),
    ]),
    ("length", &[
        unit("m", "numcdk", 1.0, 1.0),
        unit("in", "", 254.0, 1e4),
        unit("ft", "", 3048.0, 1e4),
        unit("yd", "", 9144.0, 1e4),
        unit("mi", "", 1_609_344.0, 1e3),
        unit("nmi NM", "", 1852.0, 1.0),
    ]),
    ("area", &[
        unit("m2", "", 1.0, 1.0),
        unit("mm2", "", 1.0, 1e6),
        unit("cm2", "", 1.0, 1e4),
        unit("km2", "", 1e6, 1.0),
        unit("ha", "", 1e4, 1.0),
        unit("ft2", "", 9_290_304.0, 1e8),
    ]),
    ("volume", &[
        unit("m3 cbm", "", 1.0, 1.0),
        unit("L l", "umcdh", 1.0, 1e3),
        unit("dm3", "", 1.0, 1e3),
        unit("cm3 ccm", "", 1.0, 1e6),
        unit("mm3", "", 1.0, 1e9),
        // The US gallon, of 231 cubic inches.
        unit("gal", "", 3_785_411_784.0, 1e12),
        unit("ft3 cf", "", 28_316_846_592.0, 1e12),
    ]),
    ("flow", &[
        unit("m3/s", "", 1.0, 1.0),
        unit("m3/min", "", 1.0, 60.0),
        unit("m3/h cbm/h", "", 1.0, 3600.0),
        unit("m3/d", "", 1.0, 86_400.0),
        unit("L/s l/s", "m", 1.0, 1e3),
        unit("L/min l/min lpm LPM dm3/min", "m", 1.0, 6e4),
        unit("L/h l/h dm3/h", "m", 1.0, 3.6e6),
        unit("gpm GPM gal/min", "", 3_785_411_784.0, 6e13),
        unit("cfm CFM ft3/min", "", 28_316_846_592.0, 6e13),
    ]),
    ("speed", &[
        unit("m/s mps", "", 1.0, 1.0),
        unit("mm/s", "", 1.0, 1e3),
        unit("cm/s", "", 1.0, 100.0),
        unit("m/min", "", 1.0, 60.0),
        unit("m/h", "", 1.0, 3600.0),
        unit("km/h kmh kph", "", 1e3, 3600.0),
        unit("mph mi/h MPH", "", 1_609_344.0, 3.6e6),
        unit("kn kt kts knot knots", "", 1852.0, 3600.0),
        unit("ft/s", "", 3048.0, 1e4),
        unit("mm/h", "", 1.0, 3.6e6),
        unit("mm/d", "", 1.0, 8.64e7),
        unit("in/h", "", 254.0, 3.6e7),
    ]),
    ("mass", &[
        unit("kg", "", 1.0, 1.0),
        unit("g", "num", 1.0, 1e3),
        unit("t", "", 1e3, 1.0),
        unit("lb lbs", "", 45_359_237.0, 1e8),
        unit("oz", "", 45_359_237.0, 1.6e9),
    ]),
    ("acceleration", &[
        unit("m/s2", "", 1.0, 1.0),
        unit("mm/s2", "", 1.0, 1e3),
        unit("g gn", "m", 980_665.0, 1e5),
        unit("ft/s2", "", 3048.0, 1e4),
    ]),
    ("angle", &[
        unit("rad", "um", 1.0, 1.0),
        unit("deg lat lon", "", std::f64::consts::PI, 180.0),
    ]),
    ("angular velocity", &[
        unit("rad/s", "m", 1.0, 1.0),
        unit("deg/s dps", "m", std::f64::consts::PI, 180.0),
    ]),
    ("time", &[
        unit("s", "num", 1.0, 1.0),
        unit("min", "", 60.0, 1.0),
        unit("h", "", 3600.0, 1.0),
        unit("d", "", 86_400.0, 1.0),
    ]),
    ("force", &[
        unit("N", "mkM", 1.0, 1.0),
        unit("kgf", "", 980_665.0, 1e5),
        unit("lbf", "", 44_482_216_152_605.0, 1e13),
    ]),
    ("torque", &[unit("Nm N.m N*m", "mk", 1.0, 1.0)]),
    ("mass flow", &[
        unit("kg/s", "", 1.0, 1.0),
        unit("kg/min", "", 1.0, 60.0),
        unit("kg/h", "", 1.0, 3600.0),
        unit("g/s", "m", 1.0, 1e3),
        unit("t/h", "", 1e3, 3600.0),
    ]),
    ("mass concentration", &[
        unit("kg/m3", "", 1.0, 1.0),
        unit("g/m3", "num", 1.0, 1e3),
        unit("g/L g/l", "um", 1.0, 1.0),
        unit("g/cm3 g/ml g/mL", "", 1e3, 1.0),
    ]),
    ("number concentration", &[
        unit("1/m3", "", 1.0, 1.0),
        unit("1/L 1/l", "", 1e3, 1.0),
        unit("1/dL 1/dl", "", 1e4, 1.0),
        unit("1/cm3", "", 1e6, 1.0),
    ]),
    ("illuminance", &[unit("lx", "mk", 1.0, 1.0)]),
    ("luminous flux", &[unit("lm", "k", 1.0, 1.0)]),
    ("luminous intensity", &[unit("cd", "m", 1.0, 1.0)]),
    ("irradiance", &[
        unit("W/m2", "umk", 1.0, 1.0),
        unit("W/cm2", "um", 1e4, 1.0),
    ]),
    ("irradiation", &[
        unit("J/m2", "kM", 1.0, 1.0),
        unit("Wh/m2", "k", 3600.0, 1.0),
    ]),
    ("photon flux", &[unit("umol/m2/s umol/(m2.s)", "", 1.0, 1.0)]),
    ("magnetic flux density", &[
        unit("T", "num", 1.0, 1.0),
        unit("G Gs", "m", 1.0, 1e4),
    ]),
    ("radioactivity", &[unit("Bq", "kMG", 1.0, 1.0)]),
    ("activity concentration", &[
        unit("Bq/m3", "k", 1.0, 1.0),
        unit("pCi/L pCi/l", "", 37.0, 1.0),
    ]),
    ("dose rate", &[unit("Sv/h", "num", 1.0, 1.0)]),
    ("amount of substance", &[unit("mol", "um", 1.0, 1.0)]),
    ("turbidity", &[unit("NTU", "", 1.0, 1.0)]),
    ("acidity", &[unit("pH", "", 1.0, 1.0)]),
    // Logarithms of a ratio, a power and a sound pressure: nothing converts to them.
    ("level", &[unit("dB", "", 1.0, 1.0)]),
    ("power level", &[unit("dBm dBmW", "", 1.0, 1.0)]),
    ("weighted sound level", &[unit("dBA dB(A)", "", 1.0, 1.0)]),
    ("information", &[
        unit("bit", "kMG", 1.0, 1.0),
        unit("B byte", "kMGT", 8.0, 1.0),
        unit("KiB", "", 8192.0, 1.0),
        unit("MiB", "", 8_388_608.0, 1.0),
        unit("GiB", "", 8_589_934_592.0, 1.0),
    ]),
    ("bit rate", &[
        unit("bit/s bps", "kMG", 1.0, 1.0),
        unit("B/s", "kMG", 8.0, 1.0),
    ]),
];
