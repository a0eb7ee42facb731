//! Flags about what is noted of a webhook, and what its calls carry.

use clap::Args;

/// What is noted of a webhook, and what its calls carry. An update replaces all of a kind.
#[derive(Debug, Default, Args)]
pub(crate) struct AboutArgs {
    /// Send this header with every call, no secret; can be repeated; '' for none
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) send_header: Option<Vec<Pair>>,
    /// Whom to write to: an e-mail address; can be repeated; '' for none
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) contact: Option<Vec<String>>,
    /// A word of your own to find it by; can be repeated; '' for none
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) tag: Option<Vec<Pair>>,
}

/// Which webhooks to list.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only those that are switched on, or off
    #[arg(long)]
    pub(crate) active: Option<bool>,
    /// Only those that take events of this type
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    pub(crate) event_type: String,
    /// Only those with this tag; can be repeated: then with all of them
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) tag: Vec<Pair>,
    /// Only those with this text in their name, description or URL, in any case
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) text: String,
    /// Those that were deleted and can be brought back, instead of those there are
    #[arg(long)]
    pub(crate) deleted: bool,
}

/// Two texts with `=` between them; `None` of an empty text, which takes away what there is.
pub(crate) type Pair = Option<(String, String)>;

pub(crate) fn pair(text: &str) -> Result<Pair, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let (key, value) = text
        .split_once('=')
        .ok_or("write it with a `=`, as in team=payroll")?;
    Ok(Some((key.to_owned(), value.to_owned())))
}
