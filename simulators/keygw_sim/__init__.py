"""What keygw needs to be seen working without a car, a phone or a radio: simulators of all three.

They implement the production ports and speak through public doors only. ``keygw`` never imports this package.
"""
