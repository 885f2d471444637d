use super::{Binding, KeyId, OFFER_BINDING, OFFER_KNOWN, OFFER_MIME, OFFER_VERSION, VERSION};
use crate::fields::{self, FieldError, put};
use bytes::{Bytes, BytesMut};

/// A proxy's offer to accept version 2, with what messages are to be bound to. It is in the metadata of a request that carries the proxy's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// In a scrape: the binding of its answer. In a REQUEST_FNF: the binding of the connection's pushes.
    pub binding: Binding,
    /// The content key that the proxy knows, if any.
    pub known: Option<KeyId>,
}

impl Offer {
    /// Encodes the offer as composite metadata.
    pub fn encode(&self) -> Bytes {
        let mut content = BytesMut::with_capacity(64);
        put(&mut content, OFFER_VERSION, &[&[VERSION]]);
        put(&mut content, OFFER_BINDING, &[&self.binding.0]);
        if let Some(known) = &self.known {
            put(&mut content, OFFER_KNOWN, &[&known.0]);
        }
        let mut metadata = BytesMut::with_capacity(128);
        fields::put_entry(&mut metadata, OFFER_MIME, content.freeze());
        metadata.freeze()
    }

    /// Decodes the offer in the metadata of a request. Returns `None` if there is none, or only one of other versions.
    ///
    /// # Errors
    ///
    /// If there is an offer that cannot be read.
    pub fn decode(metadata: Bytes) -> Result<Option<Self>, FieldError> {
        let Some(content) = fields::find_entry(metadata, OFFER_MIME) else { return Ok(None) };
        let (mut has_version, mut binding, mut known) = (false, None, None);
        fields::read(&content, |field| match field.id {
            OFFER_VERSION => {
                let [version] = field.array()?;
                has_version |= version == VERSION;
                Ok(())
            }
            OFFER_BINDING => field.put_once(&mut binding, Binding(field.array()?)),
            OFFER_KNOWN => field.put_once(&mut known, KeyId(field.array()?)),
            _ => Ok(()),
        })?;
        if !has_version {
            return Ok(None);
        }
        let binding = binding.ok_or(FieldError::Missing { id: OFFER_BINDING })?;
        Ok(Some(Self { binding, known }))
    }
}
