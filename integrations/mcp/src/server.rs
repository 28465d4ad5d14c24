//! Owns the MCP side: what clients are told, and how their calls reach the store.

use std::sync::Arc;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData,
    Implementation, ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig,
    Tool,
};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, ServerHandler};
use serde_json::Value;

use crate::error::ToolError;
use crate::share::SharedStore;
use crate::tools::{self, Entry, INSTRUCTIONS};

/// The server of one client.
#[derive(Clone, Debug)]
pub struct Server {
    tools: Arc<[Entry]>,
    store: SharedStore,
}

impl Server {
    /// Returns a server over a store.
    pub fn new(store: SharedStore, only_reads: bool) -> Self {
        Self { tools: tools::all(only_reads).into(), store }
    }

    fn entry(&self, name: &str) -> Option<&Entry> {
        self.tools.iter().find(|entry| entry.tool.name == name)
    }

    async fn call(&self, request: CallToolRequestParams) -> Result<Value, ToolError> {
        let entry = self.entry(&request.name).ok_or_else(|| {
            let names: Vec<&str> = self.tools.iter().map(|entry| &*entry.tool.name).collect();
            let names = names.join(", ");
            ToolError::new(format!("there is no tool {:?}; there are {names}", request.name))
        })?;
        let op = entry.op(request.arguments.unwrap_or_default())?;
        self.store.call(op).await
    }
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let name = Implementation::new("altiplano-mcp", env!("CARGO_PKG_VERSION"));
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(name.with_title("Altiplano memory"))
            .with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let tools = self.tools.iter().map(|entry| entry.tool.clone()).collect();
        Ok(ListToolsResult::with_all_items(tools))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let result = match self.call(request).await {
            Ok(answer) => CallToolResult::structured(answer),
            Err(error) => CallToolResult::error(vec![ContentBlock::text(error.to_string())]),
        };
        Ok(result.into())
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.entry(name).map(|entry| entry.tool.clone())
    }
}
