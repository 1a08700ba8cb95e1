"""AccessRequest: a person decides; an approved one becomes a Tenant with a client."""
