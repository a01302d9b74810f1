"""What keeps order between the nights: late runs, lost asks, lineage and notices to deliver, plots to draw."""
