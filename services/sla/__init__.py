"""Sla: is a lead worked in time; every clock is started, warned, and then met, breached or cancelled."""
