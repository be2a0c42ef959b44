"""Jobs in the log: many predictions under one name, stored once each."""
