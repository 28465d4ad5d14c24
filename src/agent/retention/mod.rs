//! Owns what a tier keeps. `rules` has the rules, `score` what a memory is worth, `facts` what the
//! rules look at, `decide` chooses purely, and `plan` reads a tier for it.

mod decide;
mod facts;
mod plan;
mod rules;
mod score;

pub(super) use plan::{Excess, plan_tier};
pub use plan::{ForgetPlan, Planned};
pub use rules::{Retention, RetentionPolicy, Rule, Verdict};
pub use score::Score;
