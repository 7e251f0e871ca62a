"""The WebSocket side: connections and registrations, and every record that is sent over them."""
