//! Calls any method of any service with any key: messages are bytes.

use std::time::Duration;

use bytes::{Buf as _, BufMut as _};
use futures::StreamExt as _;
use tokio::time::timeout;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// A stream that was let in may say nothing for long.
const FIRST_WITHIN: Duration = Duration::from_secs(20);

/// A connection to a service.
#[derive(Clone)]
pub(super) struct Anything(Channel);

impl Anything {
    pub(super) fn at(endpoint: &str) -> Self {
        Self(Endpoint::from_shared(endpoint.to_owned()).unwrap().connect_lazy())
    }

    /// Sends one message; the first of the answer, or an empty one if there is none.
    pub(super) async fn call(
        &self,
        method: &str,
        key: Option<&str>,
        message: Vec<u8>,
    ) -> Result<Vec<u8>, Status> {
        let mut request = Request::new(futures::stream::iter([message]));
        if let Some(key) = key {
            let header = format!("Bearer {key}").parse().unwrap();
            request.metadata_mut().insert("authorization", header);
        }
        let mut grpc = Grpc::new(self.0.clone());
        grpc.ready().await.unwrap();
        let path: PathAndQuery = method.parse().unwrap();
        let answered = async {
            let mut answer = grpc.streaming(request, path, Bytes).await?.into_inner();
            answer.next().await.unwrap_or_else(|| Ok(Vec::new()))
        };
        timeout(FIRST_WITHIN, answered).await.expect("an answer in time")
    }
}

/// Messages as they are.
#[derive(Clone, Copy, Default)]
struct Bytes;

impl Codec for Bytes {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut message = vec![0; from.remaining()];
        from.copy_to_slice(&mut message);
        Ok(Some(message))
    }
}
