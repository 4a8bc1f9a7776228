"""One view over every connected CRM: records, filters, exports, what is entered here."""
