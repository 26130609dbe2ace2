// What the page says, in English. `why.js` beside it has what it says when something fails.

/** @type {Record<string, string>} */
export const EN = {
  'app': 'keygw phone', 'skip': 'To the content', 'language': 'Language', 'close': 'Close', 'back': 'Back', 'cancel': 'Cancel', 'copy': 'Copy',
  'copied': 'Copied', 'done': 'Done', 'next': 'Next', 'retry': 'Try again', 'loading': 'Opening your keys', 'unknown': 'Unknown',
  'more': 'More', 'and': '{a} and {b}', 'list.join': ', ',

  'tab.key': 'Key', 'tab.share': 'Sharing', 'tab.activity': 'Activity', 'tab.more': 'More', 'tabs': 'Parts of the app',

  'offline': 'No connection to the gateway.', 'offline.key': 'Your key still works by Bluetooth, and what you see is from {age}.',
  'offline.nokey': 'What you see is from {age}.', 'offline.never': 'Nothing was loaded yet.', 'back.online': 'Connected again',

  'welcome.title': 'This phone can be your car key', 'welcome.lead': 'The key is made here and never leaves this phone.',
  'welcome.pair': 'Pair with my car', 'welcome.pair.lead': 'You sit in the car, and it shows you a code of 8 digits.',
  'welcome.accept': 'I was sent a key', 'welcome.accept.lead': 'Somebody shares a key with you by a link.',

  'pair.title': 'Pair with your car', 'pair.how': 'In the car, open Settings, Digital keys, Add owner. The code stays for two minutes.',
  'pair.code': 'Code on the car\'s screen', 'pair.code.hint': '8 digits', 'pair.name': 'Name of the car', 'pair.name.default': 'My car',
  'pair.go': 'Pair', 'pair.short': 'The code has 8 digits.', 'pair.step.register': 'Introducing this phone', 'pair.step.prove': 'The car is checking the code',
  'pair.step.key': 'Making the key of this phone', 'pair.step.fetch': 'Fetching the key', 'pair.stay': 'Stay in the car until this is done.',
  'pair.again': 'Confirm that it is you', 'pair.again.lead': 'Sharing takes somebody who was seen at the car a moment ago. Let the car show a new code and type it here.',
  'pair.failed': 'Not paired', 'pair.done': 'Paired. This phone is a key of {name}.',

  'accept.title': 'A key for you', 'accept.paste': 'Link that you were sent', 'accept.paste.hint': 'It begins with https:// and has a # in it.',
  'accept.open': 'Open', 'accept.bad': 'This is no key link. Copy all of it, with what stands behind the #.', 'accept.looking': 'Reading the offer',
  'accept.car': 'Car', 'accept.rights': 'You may', 'accept.until': 'Valid until', 'accept.for': 'Valid for', 'accept.claim': 'Accept the key',
  'accept.decline': 'Decline', 'accept.code': 'Activation code', 'accept.code.hint': '6 digits that the sender tells you', 'accept.code.short': 'The activation code has 6 digits.',
  'accept.tries': 'Tries left: {n}', 'accept.claiming': 'Binding the key to this phone', 'accept.once': 'The first phone that accepts keeps the key. Do not pass the link on.',
  'accept.declined': 'You have declined. The sender is told.', 'accept.waiting': 'Accepted here. The sender\'s phone must still sign.',
  'accept.waiting.lead': 'This goes on by itself as soon as the sender opens the app.', 'accept.failed': 'Not accepted', 'accept.done': 'This phone is a key of {name} now.',

  'card.owner': 'Owner key', 'card.friend': 'Shared key', 'card.until': 'Valid until {when}', 'card.ended': 'Ended {when}', 'card.suspended': 'Suspended',
  'card.revoked': 'Revoked', 'card.other': 'Other keys', 'card.switch': 'Choose the car',

  'car.title': 'State of the car', 'car.drawing': 'Drawing of the car from above', 'car.lock': 'Lock', 'car.doors': 'Doors', 'car.windows': 'Windows',
  'car.trunk': 'Trunk', 'car.charge': 'Battery', 'car.locked': 'Locked', 'car.unlocked': 'Unlocked', 'car.open': 'Open', 'car.closed': 'Closed',
  'car.dash': '\u2013', 'car.dash.says': 'Not known', 'car.some': '{n} of {all} known, closed', 'car.asof': 'As of {age}', 'car.refresh': 'Look again', 'car.live': 'Now',
  'car.never': 'Nothing heard from the car yet', 'door-fl': 'front left', 'door-fr': 'front right', 'door-rl': 'rear left', 'door-rr': 'rear right',
  'window-fl': 'front left', 'window-fr': 'front right', 'window-rl': 'rear left', 'window-rr': 'rear right',

  'do.unlock': 'Unlock', 'do.lock': 'Lock', 'do.open_trunk': 'Open trunk', 'do.flash_lights': 'Flash lights', 'do.start_engine': 'Start',
  'doing.idle': 'Ready', 'doing.searching.relay': 'Reaching your car', 'doing.searching.bluetooth': 'Looking for your car', 'doing.near': 'Your car answers',
  'doing.verifying': 'Proving your key', 'doing.asked.unlock': 'Unlocking', 'doing.asked.lock': 'Locking', 'doing.asked.open_trunk': 'Opening the trunk',
  'doing.asked.flash_lights': 'Flashing the lights', 'doing.asked.start_engine': 'Starting', 'doing.done.unlock': 'Unlocked', 'doing.done.lock': 'Locked',
  'doing.done.open_trunk': 'Trunk open', 'doing.done.flash_lights': 'Lights flashed', 'doing.done.start_engine': 'Started',
  'doing.already.unlock': 'Was unlocked already', 'doing.already.lock': 'Was locked already', 'doing.already.open_trunk': 'Was open already',
  'doing.failed.unlock': 'Not unlocked', 'doing.failed.lock': 'Not locked', 'doing.failed.open_trunk': 'Trunk not opened', 'doing.failed.flash_lights': 'Lights not flashed',
  'doing.failed.start_engine': 'Not started', 'doing.unsure': 'Nobody knows yet whether it happened', 'doing.took': 'in {seconds} s', 'doing.fast': 'in {seconds} s, by the fast path',
  'also': 'Also', 'action.suspended': 'Your key is suspended', 'action.revoked': 'Your key was revoked', 'action.expired': 'Your key has ended', 'action.none': 'This key opens nothing',

  'simulator': 'Simulator', 'link.title': 'Way to the car', 'link.auto': 'Automatic', 'link.bluetooth': 'Bluetooth', 'link.relay': 'Internet', 'link.using.relay': 'By Internet',
  'link.using.bluetooth': 'By Bluetooth', 'link.none': 'No way to the car', 'link.why.bluetooth': 'Without Bluetooth the gateway carries the sealed messages.',
  'link.auto.hint': 'Bluetooth where there is one, else the Internet.', 'link.choose': 'Choose the way', 'link.relay.no': 'Not connected',

  'share.title': 'Shared keys', 'share.new': 'Share a key', 'share.empty': 'Nobody else has a key', 'share.empty.lead': 'Share one with family, a friend or a valet. You decide what they may do, and for how long.',
  'share.not': 'This key cannot be shared', 'share.not.lead': 'Only who paired with the car, or was given the right, can share.', 'share.over': 'Ended', 'share.step': 'Step {n} of 3',
  'share.who': 'Who is it for?', 'share.name': 'Name', 'share.name.hint': 'You see it in your list, and they see it in the offer.', 'share.what': 'What may they do?', 'share.when': 'For how long?',
  'share.hours2': '2 hours', 'share.day': '1 day', 'share.weekend': '3 days', 'share.week': '1 week', 'share.month': '30 days', 'share.custom': 'Until a day', 'share.custom.day': 'Last day',
  'share.fromclaim': 'Counted from when they accept.', 'share.code': 'Protect by an activation code', 'share.code.hint': 'Whoever sees the link alone gets nothing. Say the code aloud.',
  'share.make': 'Make the link', 'share.making': 'Making the link', 'share.ready': 'Send this to {name}', 'share.scan': 'They scan it, or open the link.', 'share.qr': 'QR code of the link',
  'share.link': 'Link', 'share.send': 'Send the link', 'share.secret': 'Activation code', 'share.secret.hint': 'Tell it on another way than the link. It is shown only now.',
  'share.once': 'Link and code are shown this once. The link may be used within a day.', 'share.failed': 'Not shared', 'share.fault.name': 'Give a name.',
  'share.fault.letters': 'At most 80 letters, in one line.', 'share.fault.past': 'Choose a day that is still to come.', 'share.fault.long': 'A key of this kind may not live so long.', 'share.fault.outlives': 'Your own key ends before that.',

  'profile.access': 'Lock and unlock', 'profile.driver': 'Everything to drive', 'profile.valet': 'Valet', 'profile.delivery': 'Delivery to the trunk', 'profile.service': 'Workshop', 'profile.owner': 'Owner',
  'profile.none': 'Chosen rights', 'right.status.read': 'see the car\'s state', 'right.door.lock': 'lock', 'right.door.unlock': 'unlock', 'right.trunk.open': 'open the trunk', 'right.window.move': 'move the windows',
  'right.climate.set': 'set the climate', 'right.light.flash': 'flash the lights', 'right.charge.control': 'control charging', 'right.engine.start': 'drive', 'right.key.share': 'share on', 'right.key.manage': 'manage keys',

  'stand.invited': 'Invited', 'stand.claimed': 'Waiting for a signature', 'stand.issued': 'Active, not used yet', 'stand.active': 'Active', 'stand.suspending': 'Suspending', 'stand.suspended': 'Suspended',
  'stand.resuming': 'Resuming', 'stand.revoking': 'Revoking', 'stand.revoked': 'Revoked', 'stand.expired': 'Ended', 'stand.declined': 'Declined', 'stand.cancelled': 'Taken back', 'stand.locked': 'Locked: wrong codes',
  'stand.ended': 'Ended with your key', 'stand.lapsed': 'Not accepted in time',
  'stands.invited': 'The link was not opened yet. It ends {when}.', 'stands.claimed': 'Their phone has accepted. It waits for the phone that holds the parent key.', 'stands.issued': 'Their phone has the key. The car has not met it yet.',
  'stands.active': 'The car knows this key.', 'stands.suspending': 'Suspended here. Waiting for the car to confirm ({met}).', 'stands.suspended': 'The car has confirmed: it refuses this key.', 'stands.revoking': 'Revoked here. Waiting for the car to confirm ({met}).',
  'stands.revoked': 'The car has confirmed: this key is over.', 'stands.expired': 'Its time is over.', 'stands.declined': 'They said no.', 'stands.cancelled': 'You took the link back.', 'stands.locked': 'Five wrong activation codes. Make a new link.',
  'stands.ended': 'The key it was shared from has ended.', 'stands.lapsed': 'Nobody accepted it in time. Make a new link.', 'stands.lost': 'Their phone is reported lost.', 'stands.other': 'Another phone tried this link after it was taken: it was passed on.',
  'stands.overdue': 'That is long. Until the car is met, the key may still open it; it ends by itself within 72 hours.',
  'met.at': 'last met {when}', 'met.never': 'not met yet', 'key.details': 'Details', 'key.until': 'Valid until', 'key.rights': 'May', 'key.since': 'Since',
  'key.suspend': 'Suspend', 'key.resume': 'Resume', 'key.revoke': 'Revoke', 'key.cancel': 'Take the link back', 'key.suspend.ask': 'Suspend the key of {name}?', 'key.suspend.says': 'It opens nothing as soon as the car hears of it. You can resume it at any time.',
  'key.revoke.ask': 'Revoke the key of {name}?', 'key.revoke.says': 'This is for good. They need a new key from you.', 'key.cancel.ask': 'Take the link for {name} back?', 'key.cancel.says': 'Nobody can accept it any more.', 'key.working': 'One moment', 'key.failed': 'That did not work',

  'activity.title': 'Activity', 'activity.lead': 'What the car has done, signed by the car.', 'activity.empty': 'Nothing yet', 'activity.empty.lead': 'What this key does appears here as soon as the car has signed for it.', 'activity.today': 'Today', 'activity.yesterday': 'Yesterday',
  'activity.notime': 'Time unknown', 'activity.by': 'by {name}', 'activity.me': 'this phone', 'activity.someone': 'another key', 'activity.ok': 'Done', 'activity.refused': 'Refused: {why}', 'activity.already': 'Was so already', 'activity.remove_key': 'Key removed in the car',
  'activity.allow_pairing': 'Pairing allowed', 'activity.passive_unlock': 'Unlocked on approach', 'activity.other': 'Action {name}', 'activity.unlock': 'Unlocked', 'activity.lock': 'Locked', 'activity.open_trunk': 'Trunk opened', 'activity.flash_lights': 'Lights flashed', 'activity.start_engine': 'Started',

  'more.title': 'More', 'more.phone': 'This phone', 'more.device': 'Device', 'more.key': 'Key', 'more.token': 'Renewed until', 'more.lost': 'I lost a phone', 'more.lost.lead': 'Suspend what a phone holds.', 'more.add': 'Pair another phone', 'more.add.lead': 'Let the car show a code once, for ten minutes.',
  'more.add.done': 'Allowed. Open pairing in the car within ten minutes.', 'more.second': 'Add a car or key', 'more.second.lead': 'Pair with a car, or take a link.', 'more.remove': 'Remove the key from this phone', 'more.remove.lead': 'Gives the key back. The car is told.', 'more.remove.ask': 'Remove the key of {name} from this phone?',
  'more.remove.says': 'This phone will not open the car any more. To come back you need a new code or link.', 'more.remove.go': 'Remove', 'more.removed': 'Removed. The car is told as soon as it is met.', 'more.look': 'Look', 'more.install': 'Add to the home screen', 'more.install.lead': 'Then it opens like an app, also without a network.',

  'lost.title': 'A phone is lost', 'lost.lead': 'Choose the phone. Its keys pause; nothing is deleted. If it turns up, resume them.', 'lost.none': 'No phone but this one has a key', 'lost.this': 'This phone', 'lost.go': 'Suspend its key', 'lost.ask': 'Suspend everything that {name} holds?',
  'lost.says': 'The key opens nothing as soon as the car hears of it. Until then it may: the car was {met}.', 'lost.done': 'Suspended here. Waiting for the car to confirm ({met}).', 'lost.this.says': 'This phone reports itself: hold it back only if you pass it on. It can take that back itself.', 'lost.found': 'This phone is back', 'lost.is': 'This phone is reported lost, and its keys are suspended.',

  'why.title': 'Why did it not work?', 'why.step.way': 'Way to the car', 'why.step.car': 'The car answers', 'why.step.key': 'The car takes your key', 'why.step.deed': 'The car does it', 'why.ok': 'worked', 'why.fail': 'failed', 'why.skip': 'not tried', 'why.code': 'Code: {code}',
  'why.todo': 'What you can do', 'remedy.again': 'Try again', 'remedy.renew': 'Fetch the key again', 'remedy.ask': 'Ask who shared it with you', 'remedy.pair': 'Pair again', 'remedy.confirm': 'Confirm that it is you', 'remedy.bluetooth': 'Try by Bluetooth', 'remedy.relay': 'Try by Internet',

  'error.title': 'Something went wrong', 'error.lead': 'The page could not go on. Your keys are still here.', 'error.reload': 'Load again', 'error.browser': 'This browser cannot hold a key', 'error.browser.lead': 'It needs a secure address (https) and WebCrypto. Open this page in a current Chromium, Safari or Firefox.',
  'span.days': '{n} days', 'span.day': '1 day', 'span.hours': '{n} hours', 'span.hour': '1 hour', 'span.minutes': '{n} minutes',
};
