use crate::observe::telemetry::{Label, RegistryState, Telemetry};
use prometheus_rsocket_protocol::collector::{App, AppState};

/// Counts the applications of the registry, for the proxy's own metrics.
#[derive(Debug, Default)]
pub(crate) struct Census {
    by_state: [usize; RegistryState::ALL.len()],
    duplicates: usize,
}

impl Census {
    /// Counts one application.
    pub(crate) fn add(&mut self, app: &App) {
        self.by_state[RegistryState::of(&app.state) as usize] += 1;
        self.duplicates += usize::from(app.is_duplicate);
    }

    /// Sets the metrics to what was counted.
    pub(crate) fn tell(&self, telemetry: &Telemetry) {
        for (state, count) in RegistryState::ALL.iter().zip(self.by_state) {
            telemetry.applications(*state, count);
        }
        telemetry.identity_duplicates(self.duplicates);
    }
}

impl RegistryState {
    fn of(state: &AppState) -> Self {
        match state {
            AppState::Connecting => Self::Connecting,
            AppState::Up => Self::Up,
            AppState::Gone { .. } => Self::Gone,
        }
    }
}
