// 页面上的中文。键与 en.js 完全相同，由测试核对。

/** @type {Record<string, string>} */
export const ZH = {
  'app': 'keygw 手机钥匙', 'skip': '跳到内容', 'language': '语言', 'close': '关闭', 'back': '返回', 'cancel': '取消', 'copy': '复制',
  'copied': '已复制', 'done': '完成', 'next': '下一步', 'retry': '重试', 'loading': '正在打开您的钥匙', 'unknown': '未知',
  'more': '更多', 'and': '{a}和{b}', 'list.join': '、',

  'tab.key': '钥匙', 'tab.share': '分享', 'tab.activity': '记录', 'tab.more': '更多', 'tabs': '应用的各部分',

  'offline': '无法连接网关。', 'offline.key': '钥匙仍可通过蓝牙使用，所见状态来自{age}。',
  'offline.nokey': '所见状态来自{age}。', 'offline.never': '尚未加载任何内容。', 'back.online': '已重新连接',

  'welcome.title': '这部手机可以成为您的车钥匙', 'welcome.lead': '钥匙在本机生成，绝不离开这部手机。',
  'welcome.pair': '与我的车配对', 'welcome.pair.lead': '您坐在车内，车机显示 8 位配对码。',
  'welcome.accept': '我收到了一把钥匙', 'welcome.accept.lead': '有人通过链接与您分享钥匙。',

  'pair.title': '与您的车配对', 'pair.how': '在车机上打开“设置—数字钥匙—添加车主”。配对码两分钟内有效。',
  'pair.code': '车机屏幕上的配对码', 'pair.code.hint': '8 位数字', 'pair.name': '车辆名称', 'pair.name.default': '我的车',
  'pair.go': '配对', 'pair.short': '配对码为 8 位数字。', 'pair.step.register': '正在登记这部手机', 'pair.step.prove': '车辆正在核对配对码',
  'pair.step.key': '正在生成本机钥匙', 'pair.step.fetch': '正在获取钥匙', 'pair.stay': '完成之前请留在车内。',
  'pair.again': '请确认是您本人', 'pair.again.lead': '分享需要刚刚在车旁确认过的人。请让车机显示新的配对码并在此输入。',
  'pair.failed': '未能配对', 'pair.done': '已配对。这部手机是{name}的钥匙。',

  'accept.title': '给您的钥匙', 'accept.paste': '您收到的链接', 'accept.paste.hint': '以 https:// 开头，其中含有 #。',
  'accept.open': '打开', 'accept.bad': '这不是钥匙链接。请完整复制，包括 # 后面的部分。', 'accept.looking': '正在读取邀请',
  'accept.car': '车辆', 'accept.rights': '您可以', 'accept.until': '有效期至', 'accept.for': '有效时长', 'accept.claim': '接受钥匙',
  'accept.decline': '拒绝', 'accept.code': '激活码', 'accept.code.hint': '分享者告诉您的 6 位数字', 'accept.code.short': '激活码为 6 位数字。',
  'accept.tries': '剩余次数：{n}', 'accept.claiming': '正在将钥匙绑定到本机', 'accept.once': '第一部接受的手机将拥有钥匙。请勿转发链接。',
  'accept.declined': '您已拒绝，分享者会得知。', 'accept.waiting': '已在本机接受，还需分享者的手机签名。',
  'accept.waiting.lead': '分享者打开应用后会自动继续。', 'accept.failed': '未能接受', 'accept.done': '这部手机现在是{name}的钥匙。',

  'card.owner': '车主钥匙', 'card.friend': '共享钥匙', 'card.until': '有效期至 {when}', 'card.ended': '已于 {when} 结束', 'card.suspended': '已暂停使用',
  'card.revoked': '已撤销', 'card.other': '其他钥匙', 'card.switch': '选择车辆',

  'car.title': '车辆状态', 'car.drawing': '车辆俯视图', 'car.lock': '门锁', 'car.doors': '车门', 'car.windows': '车窗',
  'car.trunk': '后备箱', 'car.charge': '电量', 'car.locked': '已上锁', 'car.unlocked': '已解锁', 'car.open': '打开', 'car.closed': '关闭',
  'car.dash': '\u2013', 'car.dash.says': '未知', 'car.some': '已知 {n}/{all}，关闭', 'car.asof': '{age}的状态', 'car.refresh': '重新查看', 'car.live': '实时',
  'car.never': '尚未收到车辆的任何状态', 'door-fl': '左前', 'door-fr': '右前', 'door-rl': '左后', 'door-rr': '右后',
  'window-fl': '左前', 'window-fr': '右前', 'window-rl': '左后', 'window-rr': '右后',

  'do.unlock': '解锁', 'do.lock': '上锁', 'do.open_trunk': '打开后备箱', 'do.flash_lights': '闪灯', 'do.start_engine': '启动',
  'doing.idle': '就绪', 'doing.searching.relay': '正在连接您的车', 'doing.searching.bluetooth': '正在寻找您的车', 'doing.near': '车辆已应答',
  'doing.verifying': '正在验证您的钥匙', 'doing.asked.unlock': '正在解锁', 'doing.asked.lock': '正在上锁', 'doing.asked.open_trunk': '正在打开后备箱',
  'doing.asked.flash_lights': '正在闪灯', 'doing.asked.start_engine': '正在启动', 'doing.done.unlock': '已解锁', 'doing.done.lock': '已上锁',
  'doing.done.open_trunk': '后备箱已打开', 'doing.done.flash_lights': '已闪灯', 'doing.done.start_engine': '已启动',
  'doing.already.unlock': '此前已解锁', 'doing.already.lock': '此前已上锁', 'doing.already.open_trunk': '此前已打开',
  'doing.failed.unlock': '未解锁', 'doing.failed.lock': '未上锁', 'doing.failed.open_trunk': '后备箱未打开', 'doing.failed.flash_lights': '未闪灯',
  'doing.failed.start_engine': '未启动', 'doing.unsure': '尚不清楚是否已执行', 'doing.took': '用时 {seconds} 秒', 'doing.fast': '用时 {seconds} 秒，快速通道',
  'also': '其他操作', 'action.suspended': '您的钥匙已暂停使用', 'action.revoked': '您的钥匙已撤销', 'action.expired': '您的钥匙已到期', 'action.none': '这把钥匙不能开启任何部分',

  'simulator': '模拟器', 'link.title': '连接方式', 'link.auto': '自动', 'link.bluetooth': '蓝牙', 'link.relay': '互联网', 'link.using.relay': '经互联网',
  'link.using.bluetooth': '经蓝牙', 'link.none': '无法连接车辆', 'link.why.bluetooth': '没有蓝牙时，由网关转发加密消息。',
  'link.auto.hint': '有蓝牙时用蓝牙，否则用互联网。', 'link.choose': '选择连接方式', 'link.relay.no': '未连接',

  'share.title': '共享钥匙', 'share.new': '分享钥匙', 'share.empty': '没有其他人持有钥匙', 'share.empty.lead': '分享给家人、朋友或代客泊车。能做什么、多长时间，由您决定。',
  'share.not': '这把钥匙不能分享', 'share.not.lead': '只有与车配对的人或获得授权的人才能分享。', 'share.over': '已结束', 'share.step': '第 {n} 步，共 3 步',
  'share.who': '给谁？', 'share.name': '姓名', 'share.name.hint': '您在列表中看到它，对方在邀请中看到它。', 'share.what': '可以做什么？', 'share.when': '多长时间？',
  'share.hours2': '2 小时', 'share.day': '1 天', 'share.weekend': '3 天', 'share.week': '1 周', 'share.month': '30 天', 'share.custom': '到某一天', 'share.custom.day': '最后一天',
  'share.fromclaim': '从对方接受时起算。', 'share.code': '用激活码保护', 'share.code.hint': '只看到链接的人什么也得不到。请口头告知激活码。',
  'share.make': '生成链接', 'share.making': '正在生成链接', 'share.ready': '发送给{name}', 'share.scan': '对方扫码或打开链接。', 'share.qr': '链接的二维码',
  'share.link': '链接', 'share.send': '发送链接', 'share.secret': '激活码', 'share.secret.hint': '请通过链接以外的途径告知，仅此时显示。',
  'share.once': '链接与激活码仅显示这一次。链接一天内有效。', 'share.failed': '未能分享', 'share.fault.name': '请输入姓名。',
  'share.fault.letters': '最多 80 个字，且只能一行。', 'share.fault.past': '请选择将来的日期。', 'share.fault.long': '此类钥匙的有效期不能这么长。', 'share.fault.outlives': '您自己的钥匙在此之前到期。',

  'profile.access': '上锁与解锁', 'profile.driver': '驾驶所需的全部', 'profile.valet': '代客泊车', 'profile.delivery': '后备箱投递', 'profile.service': '维修保养', 'profile.owner': '车主',
  'profile.none': '自选权限', 'right.status.read': '查看车辆状态', 'right.door.lock': '上锁', 'right.door.unlock': '解锁', 'right.trunk.open': '打开后备箱', 'right.window.move': '升降车窗',
  'right.climate.set': '设置空调', 'right.light.flash': '闪灯', 'right.charge.control': '控制充电', 'right.engine.start': '驾驶', 'right.key.share': '再次分享', 'right.key.manage': '管理钥匙',

  'stand.invited': '已邀请', 'stand.claimed': '等待签名', 'stand.issued': '有效，尚未使用', 'stand.active': '有效', 'stand.suspending': '暂停中', 'stand.suspended': '已暂停使用',
  'stand.resuming': '恢复中', 'stand.revoking': '撤销中', 'stand.revoked': '已撤销', 'stand.expired': '已到期', 'stand.declined': '已拒绝', 'stand.cancelled': '已收回', 'stand.locked': '已锁定：激活码错误',
  'stand.ended': '随您的钥匙结束', 'stand.lapsed': '未及时接受',
  'stands.invited': '链接尚未打开，{when} 到期。', 'stands.claimed': '对方手机已接受，等待持有上级钥匙的手机签名。', 'stands.issued': '对方手机已有钥匙，车辆尚未见过它。',
  'stands.active': '车辆认识这把钥匙。', 'stands.suspending': '已在此暂停使用，等待车辆确认（{met}）。', 'stands.suspended': '车辆已确认：拒绝这把钥匙。', 'stands.revoking': '已在此撤销，等待车辆确认（{met}）。',
  'stands.revoked': '车辆已确认：这把钥匙已失效。', 'stands.expired': '有效期已过。', 'stands.declined': '对方已拒绝。', 'stands.cancelled': '您已收回链接。', 'stands.locked': '激活码五次错误。请生成新链接。',
  'stands.ended': '其上级钥匙已结束。', 'stands.lapsed': '无人及时接受。请生成新链接。', 'stands.lost': '对方手机已报失。', 'stands.other': '链接被接受后又有另一部手机尝试：链接已被转发。',
  'stands.overdue': '等待已久。在车辆得知之前，这把钥匙仍可能打开它；它最迟在 72 小时内自行失效。',
  'met.at': '最近连接 {when}', 'met.never': '尚未连接过', 'key.details': '详情', 'key.until': '有效期至', 'key.rights': '使用权限', 'key.since': '开始于',
  'key.suspend': '暂停使用', 'key.resume': '恢复使用', 'key.revoke': '撤销', 'key.cancel': '收回链接', 'key.suspend.ask': '暂停{name}的钥匙？', 'key.suspend.says': '车辆得知后即不再开启。您可随时恢复使用。',
  'key.revoke.ask': '撤销{name}的钥匙？', 'key.revoke.says': '撤销后无法恢复，对方需要您重新分享。', 'key.cancel.ask': '收回给{name}的链接？', 'key.cancel.says': '此后无人可以接受。', 'key.working': '请稍候', 'key.failed': '未能完成',

  'activity.title': '记录', 'activity.lead': '车辆执行过的操作，由车辆签名。', 'activity.empty': '暂无记录', 'activity.empty.lead': '这把钥匙的操作经车辆签名后会显示在这里。', 'activity.today': '今天', 'activity.yesterday': '昨天',
  'activity.notime': '时间未知', 'activity.by': '由{name}', 'activity.me': '这部手机', 'activity.someone': '其他钥匙', 'activity.ok': '已完成', 'activity.refused': '已拒绝：{why}', 'activity.already': '此前已是如此', 'activity.remove_key': '在车内移除钥匙',
  'activity.allow_pairing': '已允许配对', 'activity.passive_unlock': '靠近解锁', 'activity.other': '操作 {name}', 'activity.unlock': '解锁', 'activity.lock': '上锁', 'activity.open_trunk': '打开后备箱', 'activity.flash_lights': '闪灯', 'activity.start_engine': '启动',

  'more.title': '更多', 'more.phone': '这部手机', 'more.device': '设备', 'more.key': '钥匙', 'more.token': '已续期至', 'more.lost': '手机丢失', 'more.lost.lead': '暂停使用某部手机上的钥匙。', 'more.add': '配对另一部手机', 'more.add.lead': '允许车机在十分钟内显示一次配对码。',
  'more.add.done': '已允许。请在十分钟内在车机上打开配对。', 'more.second': '添加车辆或钥匙', 'more.second.lead': '与车配对，或打开链接。', 'more.remove': '从本机移除钥匙', 'more.remove.lead': '交还钥匙，车辆会得知。', 'more.remove.ask': '从本机移除{name}的钥匙？',
  'more.remove.says': '这部手机将不能再打开车辆。要恢复需要新的配对码或链接。', 'more.remove.go': '移除', 'more.removed': '已移除。车辆下次连接时会得知。', 'more.look': '外观', 'more.install': '添加到主屏幕', 'more.install.lead': '之后可像应用一样打开，无网络也可以。',

  'lost.title': '手机丢失', 'lost.lead': '请选择手机。其钥匙会暂停使用，不会删除。找到后可恢复使用。', 'lost.none': '除本机外没有手机持有钥匙', 'lost.this': '这部手机', 'lost.go': '暂停其钥匙', 'lost.ask': '暂停{name}持有的全部钥匙？',
  'lost.says': '车辆得知后即不再开启。在此之前仍可能开启：车辆{met}。', 'lost.done': '已在此暂停使用，等待车辆确认（{met}）。', 'lost.this.says': '这部手机将报告自己：仅在转交他人时使用。它可以自行撤回。', 'lost.found': '这部手机已找回', 'lost.is': '这部手机已报失，其钥匙已暂停使用。',

  'why.title': '为什么没有成功？', 'why.step.way': '通往车辆的连接', 'why.step.car': '车辆应答', 'why.step.key': '车辆接受您的钥匙', 'why.step.deed': '车辆执行', 'why.ok': '成功', 'why.fail': '失败', 'why.skip': '未尝试', 'why.code': '代码：{code}',
  'why.todo': '您可以这样做', 'remedy.again': '重试', 'remedy.renew': '重新获取钥匙', 'remedy.ask': '联系分享者', 'remedy.pair': '重新配对', 'remedy.confirm': '确认是您本人', 'remedy.bluetooth': '改用蓝牙', 'remedy.relay': '改用互联网',

  'error.title': '出现问题', 'error.lead': '页面无法继续。您的钥匙仍在这里。', 'error.reload': '重新加载', 'error.browser': '此浏览器无法保存钥匙', 'error.browser.lead': '需要安全地址（https）和 WebCrypto。请使用最新的 Chromium、Safari 或 Firefox 打开。',
  'span.days': '{n} 天', 'span.day': '1 天', 'span.hours': '{n} 小时', 'span.hour': '1 小时', 'span.minutes': '{n} 分钟',
};
