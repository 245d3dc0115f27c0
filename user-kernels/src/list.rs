//! The kernels in a table: how each runs on the host, and what its parameters are in a batch that is made up.

use crate::{biases, calls, numbers, packing, positions, softmaxes, sparse, temperatures, trees};
use flashpage::HostRunError;
use flashpage::codegen::Program;
use flashpage::codegen::program::ParamKind;
use flashpage::prelude::*;
use flashpage::runtime::Argument;
use flashpage::runtime::problem::{Inputs, Problem, ProblemError};

/// A kernel's own function over the arguments of a launch: its outputs by name.
pub type Host = fn(&[Argument<'_>]) -> Result<Vec<(&'static str, Vec<f32>)>, HostRunError>;

/// A vector's number at a place.
type Number = fn(usize) -> f64;

/// A row of the table.
pub struct Kernel {
    /// The file's name and the function's.
    pub name: &'static str,
    /// What is compiled.
    pub program: fn() -> &'static Program,
    /// The function, with [`Kernel::host_dims`] and `f16` for what it leaves open.
    pub host: Host,
    /// The generic arguments of the host run.
    generics: &'static [&'static str],
    /// Values of its scalars, where those that a problem has by default say little.
    scalars: &'static [(&'static str, f64)],
    /// Numbers of its vectors, by their place, likewise.
    vectors: &'static [(&'static str, Number)],
}

impl Kernel {
    /// Head dimensions of the host run.
    pub fn host_dims(&self) -> HeadDim {
        let mut open = self.generics.iter().filter_map(|generic| generic.parse().ok());
        let qk = open.next().unwrap_or(16);
        (self.program)().with_fixed(HeadDim { qk, v: open.next().unwrap_or(qk) })
    }

    /// The problem with values for the kernel's scalars; `heads` are its query heads.
    pub fn problem(&self, problem: Problem) -> Problem {
        let has_heads = (self.program)().params.iter().any(|param| param.name == "heads");
        let heads = has_heads.then(|| ("heads".to_owned(), problem.q_heads as f64));
        let own = self.scalars.iter().map(|(name, value)| ((*name).to_owned(), *value));
        Problem { scalars: own.chain(heads).collect(), ..problem }
    }

    /// The problem's tensors, with numbers for the kernel's vectors.
    ///
    /// # Errors
    /// As [`Problem::inputs`].
    pub fn inputs(&self, device: &Device, problem: &Problem) -> Result<Inputs, ProblemError> {
        self.inputs_of((self.program)(), device, problem)
    }

    /// The same of its program with other element types.
    ///
    /// # Errors
    /// As [`Problem::inputs`].
    pub fn inputs_of(
        &self,
        program: &Program,
        device: &Device,
        problem: &Problem,
    ) -> Result<Inputs, ProblemError> {
        let inputs = problem.inputs(device, program)?;
        for (name, number) in self.vectors {
            let at = program.params.iter().position(|param| param.name == *name);
            let at = at.unwrap_or_else(|| panic!("`{}` has no `{name}`", self.name));
            let tensor = match inputs.arguments()[at] {
                Argument::Vector(tensor) => tensor.clone(),
                Argument::Ragged(ragged) if matches!(program.params[at].kind, ParamKind::Vector(_)) => {
                    ragged.tensor.clone()
                }
                _ => panic!("`{name}` of `{}` is no vector", self.name),
            };
            let numbers = (0..tensor.len()).map(number);
            match tensor.dtype() {
                DType::I32 => tensor.write(0, &numbers.map(|n| n as i32).collect::<Vec<_>>())?,
                _ => tensor.write(0, &numbers.map(|n| n as f32).collect::<Vec<_>>())?,
            }
        }
        Ok(inputs)
    }
}

/// `module { name::<host's generics>, scalar = value … ; vector[place] = number … }`
macro_rules! kernels {
    ($($module:ident {$(
        $name:ident $(::<$($generic:tt),+>)? $(, $scalar:ident = $value:expr)* $(; $vector:ident[$place:ident] = $number:expr)*
    ;;)*})*) => {
        &[$($(Kernel {
            name: concat!(stringify!($module), ":", stringify!($name)),
            program: $module::$name::program,
            host: |arguments| {
                use $module::$name::{Args, reference};
                let args = Args::try_from(arguments).unwrap_or_else(|error| panic!("{error}"));
                let got = reference $(::<$($generic),+>)? (&args)?;
                Ok(got.outputs().map(|(name, numbers)| (name, numbers.to_vec())).into())
            },
            generics: &[$($(stringify!($generic)),+)?],
            scalars: &[$((stringify!($scalar), $value as f64)),*],
            vectors: &[$((stringify!($vector), |$place| $number as f64)),*],
        }),*),*]
    };
}

/// A number of 0, 1 or 2 that follows no order.
fn drawn(place: usize) -> usize {
    ((place * 2_654_435_761) >> 7) % 3
}

/// All of them.
pub const KERNELS: &[Kernel] = kernels! {
    packing {
        packed_documents::<f16, 16>;;
        left_padded::<16>; padding[i] = 7 * i;;
        bert_lengths::<f16>; lengths[i] = [60, 3, 0, 90][i % 4];;
        key_padding_mask::<f16, 16>, is_causal = 1; key_padding_mask[i] = i % 7 / 5;;
        document_window::<16>, window = 24;;
        packed_prefix_lm::<f16, 16>; is_prompt[i] = i / 5 % 2;;
    }
    trees {
        medusa_tree::<f16, 16>;;
        eagle_ancestors::<16>; ancestors[i] = 0x5a5a_1b3d_i32.rotate_left(i as u32);;
        custom_mask::<f16, 16>, logits_soft_cap = 8;;
        lookahead::<f16, 16>, width = 5;;
        beams::<f16, 16>; prompt_len[i] = 40 - 13 * i as i32; beam_of_key[i] = i % 3; beam_of_query[i] = drawn(i);;
    }
    biases {
        alibi_bloom::<f16, 16>;;
        alibi_mpt::<f16, 16>, alibi_bias_max = 8;;
        alibi_encoder::<16>; is_there[i] = i % 4;;
        t5_encoder::<f16, 16>;;
        attn_mask::<f16, 16>;;
        clipped_distances::<f16, 16>, most = 20;;
        kerple::<f16, 16>; a[i] = 1.0 + i as f64 * 0.25; b[i] = 0.5 / (i + 1) as f64;;
        sandwich::<16>;;
        triangle::<f16>; mask[i] = (i % 5 != 0) as i32;;
    }
    positions {
        mrope_positions::<f16, 16>; position_ids[i] = i / 6 * 2 + i % 2;;
        image_spans::<16>; image_of[i] = i / 20 % 3;;
        chunked::<f16, 16>, attention_chunk_size = 48;;
        block_causal::<f16, 16>, block = 12;;
        neighbourhood_2d::<f16, 16>, width = 9, radius = 2;;
        dilated_neighbours::<16>, dilation = 3, reach = 5;;
        axial::<f16, 16>, width = 11;;
        shifted_window::<f16>; region[i] = i / 4 % 4;;
        permutation::<f16, 16>; order[i] = (i * 37) % 101;;
        frame_causal::<f16, f32, 16>, frames = 3; frame_of_key[i] = i / 16; frame_of_query[i] = i / 12 + 1;;
    }
    sparse {
        streaming::<f16, 16>, sinks = 4, window = 30;;
        longformer::<f16, 16>; is_global[i] = (i % 40 == 3) as i32;;
        big_bird::<f16, 16>, seed = 11;;
        sparse_transformer::<16>, stride = 12;;
        log_sparse::<f16, 16>;;
        windows_of_heads::<f16, 16>; windows[i] = [20, -1, 1, 65][i % 4];;
        windows_of_sequences::<16>; left[i] = 30 * i; right[i] = [0, 40, 3][i % 3];;
        reformer::<f16, 16>; buckets[i] = (i * 7 + i / 9) % 5;;
        selected_pages::<f16, 16>, window = 20;;
    }
    softmaxes {
        gpt_oss::<16>, sliding_window = 30; sinks[i] = 2.0 - i as f64;;
        off_by_one::<f16, 16>;;
        growing_sinks::<f16, 16>; of_head[i] = i as f64 * 0.5 - 1.0; of_sequence[i] = 2.0 - i as f64;;
        sigmoid::<f16, 16>;;
        sigmoid_alibi::<16>, offset = 3;;
        relu_attention::<f16, 16, 32>;;
        retention::<f16, 16>; log2_decay[i] = 0.045 / (i + 1) as f64;;
        taylor::<f16, 16>;;
        gemma2::<16>, query_pre_attn_scalar = 64, attn_logit_softcapping = 5, sliding_window = 40;;
        grok::<f16>, attn_output_multiplier = 0.0883;;
        dropout::<f16, 16>, dropout_p = 0.2, philox_seed = 1234567;;
        dropout_paged::<16>, seed = -5, layer = 3, window = 50;;
        weighed_keys::<f16, 16>;;
    }
    temperatures {
        llama4_temperature::<f16, 16>, attn_scale = 0.1, floor_scale = 16;;
        log_n::<f16, 16>, trained = 32;;
        scalable_softmax::<f16, 16>; of_head[i] = 0.3 + 0.05 * i as f64;;
        cosine::<16>; logit_scale[i] = [0.0, 1.5, 9.0, -20.0][i % 4];;
        differential_piece::<f16>;;
        token_temperatures::<f16, 16>;;
    }
    numbers {
        constants::<f16, 16>;;
        roundings::<f16, 16>;;
        hashes::<f16, 16>, n = 12, salt = 0x3c6e_f372;;
        masked_fill::<f16, 16>; kinds[i] = i;;
        all_f32::<16>;;
        f32_cache::<16>, window = 33;;
        mla_prefill::<f16>;;
        latent_rows::<f16, 80>;;
    }
    calls {
        t5_decoder::<f16, 16>, max_distance = 60;;
        gemma3::<16>, layer = 4, window = 40;;
        ring::<f16, 16>;;
        after_a_prefix::<f16, 16>;;
    }
};
