"""Events as they happen, for anybody who speaks HTTP: Server-Sent Events and WebSocket."""
