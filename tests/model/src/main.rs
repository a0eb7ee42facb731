fn main() {
    let all = [angarium_model_check::Bits::of(&[0]); 3];
    let views: &'static [angarium_model_check::View] = Vec::leak(vec![angarium_model_check::View{changed: angarium_model_check::Bits::of(&[0]), wanted: Box::leak(Box::new(all))}]);
    let mut b = angarium_model_check::Bounds::one_webhook(views);
    b.faults.takeovers=1; b.faults.refusals=1; 
    let r = angarium_model_check::check(angarium_model_check::Protocol::within(b), 1);
    println!("{}", r.states);
    for (n,t) in r.broken { println!("{n}\n{t}"); }
    let s = angarium_model_check::stuck(&angarium_model_check::Protocol::within(b));
    println!("{s:#?}");
}
