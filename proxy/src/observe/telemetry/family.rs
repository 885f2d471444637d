use super::Label;
use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, core::Collector,
};

/// Registers the families of one registry. Names and label sets are constants, so an invalid one shows in every test.
pub(super) struct Families<'a>(pub(super) &'a Registry);

impl Families<'_> {
    pub(super) fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.register(IntCounter::new(name, help))
    }

    pub(super) fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.register(IntGauge::new(name, help))
    }

    pub(super) fn float_gauge(&self, name: &str, help: &str) -> Gauge {
        self.register(Gauge::new(name, help))
    }

    pub(super) fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Histogram {
        let opts = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.register(Histogram::with_opts(opts))
    }

    /// Registers a family with one series per value from the start, so that rates have a beginning.
    pub(super) fn counters<L: Label>(&self, name: &str, help: &str) -> IntCounterVec {
        let counters = self.register(IntCounterVec::new(Opts::new(name, help), &[L::NAME]));
        for label in L::ALL {
            counters.with_label_values(&[label.value()]);
        }
        counters
    }

    pub(super) fn counters_by_two<A: Label, B: Label>(
        &self,
        name: &str,
        help: &str,
    ) -> IntCounterVec {
        self.register(IntCounterVec::new(Opts::new(name, help), &[A::NAME, B::NAME]))
    }

    /// Registers a family with one series per value from the start.
    pub(super) fn gauges<L: Label>(&self, name: &str, help: &str) -> IntGaugeVec {
        let gauges = self.register(IntGaugeVec::new(Opts::new(name, help), &[L::NAME]));
        for label in L::ALL {
            gauges.with_label_values(&[label.value()]);
        }
        gauges
    }

    pub(super) fn float_gauges<L: Label>(&self, name: &str, help: &str) -> GaugeVec {
        self.register(GaugeVec::new(Opts::new(name, help), &[L::NAME]))
    }

    pub(super) fn histograms<L: Label>(
        &self,
        name: &str,
        help: &str,
        buckets: &[f64],
    ) -> HistogramVec {
        let opts = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        let histograms = self.register(HistogramVec::new(opts, &[L::NAME]));
        for label in L::ALL {
            histograms.with_label_values(&[label.value()]);
        }
        histograms
    }

    pub(super) fn register<C: Collector + Clone + 'static>(
        &self,
        collector: prometheus::Result<C>,
    ) -> C {
        let collector = collector.expect("names and labels are valid constants");
        self.0.register(Box::new(collector.clone())).expect("no name is used twice");
        collector
    }
}
