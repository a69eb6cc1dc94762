//! Who is next, live data or the backlog, so that both get their shares of the bytes while both have
//! something to send. Whoever has nothing saves nothing up.

pub(super) const LIVE: usize = 0;
pub(super) const BACKLOG: usize = 1;

/// A weight of zero still gets what the other leaves.
const LEAST: f64 = 1e-9;

#[derive(Debug, Clone)]
pub(super) struct Share {
    weights: [f64; 2],
    /// Bytes sent, by weight; only the difference matters.
    served: [f64; 2],
}

impl Share {
    pub(super) fn new(backlog: f64) -> Self {
        let backlog = backlog.clamp(LEAST, 1.0 - LEAST);
        Self {
            weights: [1.0 - backlog, backlog],
            served: [0.0; 2],
        }
    }

    pub(super) fn next(&mut self, ready: [bool; 2]) -> Option<usize> {
        match ready {
            [false, false] => None,
            [true, true] => Some(usize::from(self.served[BACKLOG] < self.served[LIVE])),
            [live, _] => {
                let only = if live { LIVE } else { BACKLOG };
                let other = 1 - only;
                self.served[other] = self.served[other].max(self.served[only]);
                Some(only)
            }
        }
    }

    pub(super) fn charge(&mut self, class: usize, bytes: usize) {
        self.served[class] += bytes.max(1) as f64 / self.weights[class];
        let least = self.served[0].min(self.served[1]);
        self.served = self.served.map(|served| served - least);
    }
}
