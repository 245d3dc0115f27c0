//! placeholder
use super::Result;
use super::block::Env;
use super::warp::Warp;
use crate::program::WarpgroupProduct;
pub(crate) fn chunks(_: &WarpgroupProduct, _: u32, _: u64, _: u64) -> std::result::Result<Vec<u32>, String> { Ok(Vec::new()) }
pub(crate) fn run(_: &Env, _: &mut Warp, _: &WarpgroupProduct, _: (u64, u64), _: bool) -> Result<()> { Ok(()) }
