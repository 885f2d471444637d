pub(super) fn convert(
    source: &super::Source<'_>,
    policy: &super::Policy,
    facts: &super::Facts,
    target: super::Target,
    omit: &[u32],
    out: &mut Vec<u8>,
) {
    let _ = (source, policy, facts, target, omit, out);
}
