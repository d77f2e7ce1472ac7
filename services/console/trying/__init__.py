"""A CRM's export looked at off line: what became of its leads, and what an agreement would have made of them."""
