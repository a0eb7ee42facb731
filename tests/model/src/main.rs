use angarium_model_check::{configurations::*, *};
fn main() {
    let only = std::env::args().nth(1).unwrap_or_default();
    let live = std::env::args().nth(2).is_some();
    for c in QUICK.iter().chain(THOROUGH).filter(|c| c.name.starts_with(&only)) {
        let t = std::time::Instant::now();
        let r = check(Protocol::within(c.bounds), 1);
        println!("{:40} {:>9} {:.1}s {:?}", c.name, r.states, t.elapsed().as_secs_f32(), r.broken.iter().map(|b| b.0).collect::<Vec<_>>());
        for (n,t) in &r.broken { println!("{n}\n{t}"); }
        if live { let s = stuck(&Protocol::within(c.bounds)); println!("   stuck {} of {} {:.1}s", s.stuck, s.states, t.elapsed().as_secs_f32()); if let Some(e) = s.example { println!("{e:?}"); } }
    }
}
