"""What CRMs tell of themselves: proven, stored durably, then taken into the raw log."""
