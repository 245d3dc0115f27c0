//! `barrier.cluster` (PTX ISA §9.7.13.4): all threads of the cluster that have not exited.

use crate::alu::lanes::LANES;
use crate::exec::order::View;
use crate::exec::{Result, lanes};
use crate::fault::FaultKind;

/// See the file's head.
#[derive(Default)]
pub(crate) struct ClusterBarrier {
    /// Phases that are over, from 1 on: zero says that a lane has not arrived.
    phase: u32,
    arrived: u32,
    /// What those who wait may rely on, in this phase and since the last.
    view: View,
    over: View,
    /// A phase ended: who sleeps wakes.
    pub ended: bool,
}

impl ClusterBarrier {
    /// These lanes arrive; `phases` keeps in which phase each lane of the warp did.
    pub fn arrive(&mut self, phases: &mut [u32; LANES], mask: u32, view: Option<&View>) -> Result<()> {
        for lane in lanes(mask) {
            if phases[lane] > self.phase {
                let message = "a thread arrives twice without waiting between".to_string();
                return Err(
                    FaultKind::Barrier { id: 0, message: format!("of the cluster: {message}") }.into()
                );
            }
            phases[lane] = self.phase + 1;
        }
        self.arrived += mask.count_ones();
        if let Some(view) = view {
            self.view.join(view);
        }
        Ok(())
    }

    /// Whether the phase that these lanes arrived in is over.
    ///
    /// # Errors
    /// A lane that waits has not arrived.
    pub fn is_over(&self, phases: &mut [u32; LANES], mask: u32) -> Result<bool> {
        for lane in lanes(mask) {
            if phases[lane] == 0 {
                let message = "of the cluster: a thread waits that has not arrived".to_string();
                return Err(FaultKind::Barrier { id: 0, message }.into());
            }
            if phases[lane] > self.phase {
                return Ok(false);
            }
        }
        lanes(mask).for_each(|lane| phases[lane] = 0);
        Ok(true)
    }

    pub fn over(&self) -> &View {
        &self.over
    }

    /// Ends the phase if all `live` threads of the cluster have arrived.
    pub fn settle(&mut self, live: u32) {
        if self.arrived != 0 && self.arrived >= live {
            self.phase += 1;
            self.arrived = 0;
            let view = std::mem::take(&mut self.view);
            self.over.join(&view);
            self.ended = true;
        }
    }

    /// For reports.
    pub fn arrived(&self) -> u32 {
        self.arrived
    }
}
