//! Running a plan: upload its words, launch the kernels of each class, merge.

use super::batch_plan::scalars;
use super::error::PlanError;
use super::{Plan, Planner, cascade};
use crate::args::Argument;
use crate::batch::Batch;
use crate::device::{Device, DeviceError, Launch, Module, Report, Run, Timing, TimingOptions};
use crate::kernels::Kernel;
use crate::launch::{Planned, Tiles, parameter};

/// A launch that does not change from batch to batch: entry, grid and parameters are the same for all.
///
/// Where the device has programmatic launches, every launch after the first is marked
/// [`Launch::programmatic`]: its entry waits for the one before it, so it may be run alone as well, or behind anything.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PlannedLaunch {
    /// The PTX entry.
    pub entry: String,
    /// Grid, block, shared memory and parameters.
    pub launch: Launch,
    pub(super) module: Module,
    /// Where in the workspace the number of its items is.
    pub(super) count: usize,
}

impl PlannedLaunch {
    /// Runs it on the device it was planned for, on whatever the workspace says.
    ///
    /// # Errors
    /// Another device, or one that fails.
    pub fn run(&self, device: &Device) -> Result<Run, DeviceError> {
        device.launch(&self.module, &self.entry, &self.launch)
    }
}

/// What running a plan did.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct PlanReport {
    /// The entries that ran, in order. A kernel without items is not launched.
    pub entries: Vec<String>,
    /// The emulator's reports of them, if they ran there.
    pub emulated: Vec<Report>,
}

impl Planner {
    /// Every launch of a step, in order, with arguments at these places: the same for all batches. A kernel whose list
    /// is empty returns at once.
    ///
    /// # Errors
    /// Arguments that do not fit.
    pub fn launches(&self, arguments: &[Argument<'_>]) -> Result<Vec<PlannedLaunch>, PlanError> {
        self.launches_of(&Batch::check(&self.program, arguments)?)
    }

    fn launches_of(&self, batch: &Batch<'_>) -> Result<Vec<PlannedLaunch>, PlanError> {
        batch.on_device(&self.device)?;
        self.same_make(batch)?;
        let mut launches = Vec::new();
        for (class, [whole, split]) in self.setup.classes.iter().zip(&self.kernels) {
            for (kernel, items, list) in
                [(whole, class.whole_items, class.whole_list), (split, class.split_items, class.split_list)]
            {
                if items > 0 && batch.q_heads > 0 {
                    let blocks = if class.walks { items.min(class.slots) } else { items };
                    launches.push(self.launch(batch, kernel, blocks, list)?);
                }
            }
        }
        launches.extend(self.merge_launch(batch.arguments)?);
        for next in launches.iter_mut().skip(1) {
            next.launch.programmatic =
                self.device.has_programmatic_launches() && next.module.waits(&next.entry);
        }
        Ok(launches)
    }

    fn launch(
        &self,
        batch: &Batch<'_>,
        kernel: &Kernel,
        blocks: usize,
        list: usize,
    ) -> Result<PlannedLaunch, PlanError> {
        let planned = Planned {
            work_list: self.workspace.address() + 4 * list as u64,
            o_part: self.o_part.address(),
            lse_part: self.lse_part.address(),
        };
        let tiles = Tiles::planned(self.setup.packed_heads, planned);
        let compiled = &kernel.compiled;
        let params = compiled.abi.iter().map(|arg| parameter(&self.device, batch, arg, &tiles));
        let launch = Launch {
            grid: [blocks as u32, 1, 1],
            block: compiled.block,
            cluster: [1, 1, 1],
            dynamic_shared_bytes: compiled.dynamic_shared_bytes,
            cooperative: false,
            programmatic: false,
            params: params.collect::<Result<_, _>>()?,
        };
        Ok(PlannedLaunch {
            entry: compiled.entry.clone(),
            launch,
            module: kernel.module.clone(),
            count: list,
        })
    }

    /// Writes a plan's words to the workspace, in one copy. What is launched then reads what the plan says, so its
    /// arguments must be those of the plan.
    ///
    /// # Errors
    /// A plan of another planner, or a device that fails.
    pub fn upload(&self, plan: &Plan) -> Result<(), PlanError> {
        if plan.layout != self.setup.merge {
            return Err(PlanError::OtherPlanner { given: plan.words.len(), takes: self.setup.merge.words });
        }
        Ok(self.workspace.write(0, &plan.words)?)
    }

    /// Runs a plan on the arguments it was made of: all its launches are begun, then waited for.
    ///
    /// # Errors
    /// Arguments that do not fit, a plan of another planner, or a device that fails.
    pub fn run(&self, plan: &Plan, arguments: &[Argument<'_>]) -> Result<PlanReport, PlanError> {
        let launches = self.begin(plan, arguments)?;
        let runs = self.device.launch_all(&sequence(&launches))?;
        Ok(PlanReport {
            emulated: runs.into_iter().filter_map(|run| run.report).collect(),
            entries: launches.into_iter().map(|planned| planned.entry).collect(),
        })
    }

    /// Runs a plan's launches many times and times them together: the upload of its words is not in the times.
    ///
    /// # Errors
    /// As [`Planner::run`]; and the emulator has no clock.
    pub fn time(
        &self,
        plan: &Plan,
        arguments: &[Argument<'_>],
        options: &TimingOptions,
    ) -> Result<Timing, PlanError> {
        let launches = self.begin(plan, arguments)?;
        Ok(self.device.time_all(&sequence(&launches), options)?)
    }

    /// Checks a plan and its arguments and uploads its words. Gives the launches that have items, in order.
    fn begin(&self, plan: &Plan, arguments: &[Argument<'_>]) -> Result<Vec<PlannedLaunch>, PlanError> {
        let batch = Batch::check(&self.program, arguments)?;
        if plan.starts != batch.query.starts.as_slice() || plan.kv_lens != batch.kv_lens {
            return Err(PlanError::OtherBatch {
                planned: (plan.q_tokens, plan.kv_tokens),
                given: (batch.query.starts.tokens(), batch.kv_lens.iter().sum()),
            });
        }
        let scalars = scalars(arguments);
        if plan.scalars != scalars {
            return Err(PlanError::OtherScalars { planned: plan.scalars.clone(), given: scalars });
        }
        // The tables may have other blocks than they had.
        cascade::check(&batch, &plan.groups)?;
        let mut launches = self.launches_of(&batch)?;
        self.upload(plan)?;
        launches.retain(|planned| plan.words[planned.count] != 0);
        // What comes before the first has ended, whatever it was.
        if let Some(first) = launches.first_mut() {
            first.launch.programmatic = false;
        }
        Ok(launches)
    }
}

/// As a device takes launches that follow one another.
fn sequence(launches: &[PlannedLaunch]) -> Vec<(&Module, &str, &Launch)> {
    launches.iter().map(|planned| (&planned.module, planned.entry.as_str(), &planned.launch)).collect()
}
