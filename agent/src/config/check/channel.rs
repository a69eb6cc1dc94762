//! Checks what channels are taken for, and those that are computed.

use eyot_pipeline::Span;
use eyot_pipeline::config::{ChannelConfig, ChannelKind};
use eyot_pipeline::grid::{Align, Expression, Formula, MOST_HELD, VirtualConfig};
use eyot_pipeline::reading::ChannelIndex;

use super::{Check, MILLISECOND};
use crate::config::raw;
use crate::config::tree::Node;

/// Coefficients of a calibration at most: beyond that a polynomial says more about its fit than about the sensor.
const MOST_COEFFICIENTS: usize = 8;
/// How old a value may be, in distances of the grid, unless the configuration says.
const AGE: i64 = 3;

impl Check<'_, '_> {
    /// The coefficients of a calibration; none: values are taken as they are.
    pub(super) fn calibration(
        &mut self,
        raw: Option<&raw::Calibration>,
        at: &Node<'_>,
    ) -> Vec<f64> {
        let Some(raw) = raw else { return Vec::new() };
        let coefficients = match (&raw.polynomial, raw.scale, raw.offset) {
            (Some(polynomial), None, None) => polynomial.clone(),
            (None, scale, offset) => vec![offset.unwrap_or(0.0), scale.unwrap_or(1.0)],
            (Some(_), ..) => {
                self.report
                    .value(at, "a polynomial or scale and offset, not both")
                    .help("scale = a and offset = b are polynomial = [b, a]");
                return Vec::new();
            }
        };
        let node = at.key("polynomial");
        if coefficients.len() > MOST_COEFFICIENTS {
            let message = format!("{MOST_COEFFICIENTS} coefficients at most");
            self.report.value(&node, message);
        }
        if coefficients
            .iter()
            .any(|coefficient| !coefficient.is_finite())
        {
            self.report.value(at, "every number has to be finite");
        } else if coefficients
            .iter()
            .skip(1)
            .all(|coefficient| *coefficient == 0.0)
        {
            self.report
                .value(at, "every value would be taken for the same")
                .help("coefficients are of 1, x, x² and so on: [0, 1] leaves values as they are");
        }
        coefficients
    }

    /// Channels that are computed: they are added to those that are listed.
    pub(super) fn virtuals(
        &mut self,
        raw: &raw::Class,
        channels: &mut Vec<ChannelConfig>,
        at: &Node<'_>,
    ) -> Vec<VirtualConfig> {
        let listed = channels.clone();
        let mut virtuals = Vec::new();
        for (name, raw) in &raw.virtuals {
            let at = at.key(name);
            self.name(name, &at);
            if listed.iter().any(|channel| channel.name == *name) {
                self.report.value(
                    &at,
                    format!("`{name}` is among the class's channels already"),
                );
            }
            let (min, max) = self.range(raw.min, raw.max, &at);
            self.finite(raw.resolution, &at.key("resolution"));
            let every = self.span(&raw.every, &at.key("every"), MILLISECOND);
            let max_age = raw.max_age.as_ref();
            let max_age = max_age.map_or(every.times(AGE), |age| {
                self.span(age, &at.key("max_age"), Span::ZERO)
            });
            if let Ok(index) = ChannelIndex::try_from(channels.len())
                && let Some((formula, inputs)) = self.formula(raw, every, &listed, &at)
            {
                virtuals.push(VirtualConfig {
                    channel: index,
                    formula,
                    inputs,
                    every,
                    align: match raw.align {
                        raw::Align::Last => Align::Last,
                        raw::Align::Linear => Align::Linear,
                        raw::Align::Nearest => Align::Nearest,
                    },
                    max_age,
                });
            }
            channels.push(ChannelConfig {
                name: name.clone(),
                unit: raw.unit.clone(),
                kind: ChannelKind::Gauge,
                calibration: Vec::new(),
                min,
                max,
                resolution: raw.resolution,
                detect: raw.detect,
                raster: None,
            });
        }
        virtuals
    }

    /// What a computed channel is, and the channels that it is of.
    fn formula(
        &mut self,
        raw: &raw::Virtual,
        every: Span,
        listed: &[ChannelConfig],
        at: &Node<'_>,
    ) -> Option<(Formula, Vec<ChannelIndex>)> {
        match (&raw.expression, &raw.correlation, &raw.over) {
            (Some(text), None, None) => {
                let (expression, inputs) = self.expression(text, listed, at)?;
                Some((Formula::Expression(expression), inputs))
            }
            (None, Some(names), Some(over)) => {
                let node = at.key("over");
                let over = self.span(over, &node, MILLISECOND);
                let points = usize::try_from(over.0 / every.0.max(1)).unwrap_or(0);
                if !(1..=MOST_HELD).contains(&points) {
                    let message = format!("between one and {MOST_HELD} times `every`");
                    self.report.value(&node, message);
                }
                let inputs = self.inputs(names, listed, &at.key("correlation"))?;
                if inputs[0] == inputs[1] {
                    self.report
                        .value(&at.key("correlation"), "two channels, not one twice");
                }
                Some((Formula::Correlation { over }, inputs))
            }
            _ => {
                self.report
                    .value(at, "an expression, or correlation and over")
                    .help("like expression = \"outlet - inlet\", or correlation = [\"flow\", \"power\"] and over = \"1m\"");
                None
            }
        }
    }

    /// A formula, and the channels that it is of.
    fn expression(
        &mut self,
        text: &str,
        listed: &[ChannelConfig],
        at: &Node<'_>,
    ) -> Option<(Expression, Vec<ChannelIndex>)> {
        let node = at.key("expression");
        let expression = match Expression::parse(text) {
            Ok(expression) => expression,
            Err(error) => {
                self.report
                    .value(&node, format!("no formula: {error}"))
                    .help("like `(outlet - inlet) / 2` or `sqrt(x^2 + y^2 + z^2)`");
                return None;
            }
        };
        if expression.channels().is_empty() {
            self.report.value(&node, "names no channel");
            return None;
        }
        let inputs = self.inputs(expression.channels(), listed, &node)?;
        Some((expression, inputs))
    }

    /// Where the class lists these channels.
    fn inputs(
        &mut self,
        names: &[String],
        listed: &[ChannelConfig],
        at: &Node<'_>,
    ) -> Option<Vec<ChannelIndex>> {
        let mut inputs = Vec::new();
        for name in names {
            let found = listed.iter().position(|channel| channel.name == *name);
            if let Some(index) = found.and_then(|at| ChannelIndex::try_from(at).ok()) {
                inputs.push(index);
                continue;
            }
            let known = listed.iter().map(|channel| channel.name.as_str());
            let known = known.collect::<Vec<_>>().join(", ");
            self.report
                .value(at, format!("`{name}` is no channel that the class lists"))
                .help(if known.is_empty() {
                    "list the channels under [class.channels]".to_owned()
                } else {
                    format!("there are {known}")
                });
        }
        (inputs.len() == names.len()).then_some(inputs)
    }

    /// Smallest and largest plausible value.
    pub(super) fn range(
        &mut self,
        min: Option<f64>,
        max: Option<f64>,
        at: &Node<'_>,
    ) -> (f64, f64) {
        let min = min.unwrap_or(f64::NEG_INFINITY);
        let max = max.unwrap_or(f64::INFINITY);
        if min >= max {
            let message =
                format!("min {min} is not below max {max}, so every reading would be rejected");
            self.report.value(&at.first_of(["min", "max"]), message);
        }
        (min, max)
    }

    pub(super) fn finite(&mut self, value: f64, at: &Node<'_>) {
        if value.is_infinite() {
            self.report.value(at, "must be finite");
        }
    }
}
