"""Stand-ins for what the gateway talks to: Flashduty, and Huawei's message service (SMN)."""
